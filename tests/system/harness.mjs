// What every scenario needs: a real server on a free port with its own directory, the program's
// other commands, and the oracle. Processes are ended by their id and never outlive their test.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.join(here, '..', '..');
export const BINARY = path.resolve(
  process.env.TAPLINE_BIN ?? path.join(root, 'build', 'release', 'tools', 'tapline'),
);
export const SHARED = path.resolve(process.env.TAPLINE_SHARED ?? path.join(root, '..', 'shared'));
const ORACLE = path.join(here, 'oracle', 'oracle.py');
const running = new Set();
const directories = [];

process.on('exit', () => {
  for (const child of running) {
    child.kill('SIGKILL');
  }
  for (const directory of directories) {
    fs.rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  }
});

/** The path of a file of the shared folder; skips the test loudly when it is not there. */
export function sharedFile(t, name) {
  const file = path.join(SHARED, name);
  if (fs.existsSync(file)) {
    return file;
  }
  console.log(`SKIPPED: ${t.name}: no ${name}; set TAPLINE_SHARED to the shared folder`);
  t.skip('no shared folder');
  return null;
}

/** A directory of its own; removed when the process ends, unless KEEP is set. */
export function makeDirectory(t) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'tapline-'));
  if (process.env.KEEP) {
    console.log(`${t.name}: ${directory}`);
  } else {
    directories.push(directory);
  }
  return directory;
}

export function sleep(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Asks until `question` gives something true. */
export async function until(what, question, { within = 60000, every = 100 } = {}) {
  const end = Date.now() + within;
  for (;;) {
    const answer = await question();
    if (answer) {
      return answer;
    }
    if (Date.now() > end) {
      throw new Error(`not within ${within} ms: ${what}`);
    }
    await sleep(every);
  }
}

export async function freePort() {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

function start(command, args, options = {}) {
  if (command === BINARY && !fs.existsSync(BINARY)) {
    throw new Error(`no program at ${BINARY}: build it, or set TAPLINE_BIN`);
  }
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  running.add(child);
  child.ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  return child;
}

/** Waits for the end of a process, which comes by SIGKILL when it takes too long. */
async function endsWithin(child, ms) {
  child.deadline = setTimeout(() => child.kill('SIGKILL'), ms);
  try {
    return await child.ended;
  } finally {
    clearTimeout(child.deadline);
  }
}

/** Runs a command to its end: {code, stdout, stderr}; with `to` stdout goes into that file. */
export async function run(command, args, { to, within = 600000 } = {}) {
  const file = to ? fs.openSync(to, 'w') : null;
  const child = start(command, args, { stdio: ['ignore', file ?? 'pipe', 'pipe'] });
  const out = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name]?.on('data', (piece) => {
      out[name] += piece;
    });
  }
  const { code, signal } = await endsWithin(child, within);
  if (file !== null) {
    fs.closeSync(file);
  }
  return { code: code ?? signal, ...out };
}

export function tapline(...args) {
  return run(BINARY, args);
}

export function oracle(...args) {
  return run('python3', [ORACLE, ...args]);
}

/** Runs a command and fails with all it said unless it ended as expected. */
export async function mustEnd(expected, promise, what) {
  const ended = await promise;
  if (ended.code !== expected) {
    throw new Error(
      `${what}: exit ${ended.code} instead of ${expected}\n${ended.stdout.slice(-4000)}\n` +
        `${ended.stderr.slice(-4000)}`,
    );
  }
  return ended;
}

/** The records of a data directory as parsed lines, also written to `file`. */
export async function inspect(data, file, ...options) {
  await mustEnd(
    0,
    run(BINARY, ['inspect', '--data', data, '--json', ...options], { to: file }),
    'inspect',
  );
  return fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

/** What the oracle makes of a data directory's records, after comparing every event with it. */
export async function judge(directory, data, { signatures = 200 } = {}) {
  const events = path.join(directory, 'events.jsonl');
  const records = await inspect(data, events, '--events');
  const compared = await mustEnd(
    0,
    oracle('compare', events, '--signatures', String(signatures)),
    'oracle compare',
  );
  const state = path.join(directory, 'state.json');
  await mustEnd(
    0,
    run('python3', [ORACLE, 'state', events, '--json'], { to: state }),
    'oracle state',
  );
  return {
    records,
    counts: compared.stdout,
    file: events,
    state: JSON.parse(fs.readFileSync(state, 'utf8')),
  };
}

/** A market file that lets bets begin with the first tick and columns close within seconds. */
export function writeMarket(directory, keys = {}) {
  const all = {
    degraded_stable_ms: 0,
    critical_stable_ms: 0,
    vol_warmup: 0,
    quorum: 1,
    open_bets_max: 1000,
    ...keys,
  };
  const file = path.join(directory, 'market.ini');
  const lines = Object.entries(all).map(([key, value]) => `${key} = ${value}`);
  fs.writeFileSync(file, `[market]\n${lines.join('\n')}\n`);
  return file;
}

export class Server {
  /** Starts `tapline serve` and waits for its ready line. */
  static async start(t, data, args = [], { limits = '0', within = 120000 } = {}) {
    const server = new Server();
    server.data = data;
    const port = await freePort();
    const all = ['serve', '--data', data, '--listen', `127.0.0.1:${port}`, ...args];
    if (limits !== null) {
      all.push('--limit-account', limits, '--limit-address', limits);
    }
    server.child = start(BINARY, all);
    server.pid = server.child.pid;
    server.stderr = '';
    server.stdout = '';
    server.child.stderr.on('data', (piece) => {
      server.stderr += piece;
    });
    t.after(() => server.kill());
    const ready = new Promise((resolve) => {
      server.child.stdout.on('data', (piece) => {
        server.stdout += piece;
        const line = /^tapline ready on (http:\/\/\S+)$/m.exec(server.stdout);
        if (line) {
          resolve(line[1].replace(/\/$/, ''));
        }
      });
    });
    const first = await Promise.race([ready, endsWithin(server.child, within)]);
    clearTimeout(server.child.deadline);
    if (typeof first !== 'string') {
      throw new Error(
        `serve ended with ${first.code ?? first.signal} before it was ready:\n` +
          `${server.stderr.slice(-4000)}`,
      );
    }
    server.url = first;
    return server;
  }

  /** kill -9, by process id. */
  async kill() {
    this.child.kill('SIGKILL');
    return this.child.ended;
  }

  /** Drains; the exit must be 0. */
  async stop() {
    this.child.kill('SIGTERM');
    const { code, signal } = await endsWithin(this.child, 60000);
    if (code !== 0) {
      throw new Error(`serve drained with ${code ?? signal}:\n${this.stderr.slice(-4000)}`);
    }
  }
}

/** Runs `serve` that must refuse to start: {code, signal, stderr}. */
export async function refusesToStart(data, args = []) {
  const port = await freePort();
  const ended = await run(
    BINARY,
    ['serve', '--data', data, '--listen', `127.0.0.1:${port}`, ...args],
    { within: 60000 },
  );
  return ended;
}
