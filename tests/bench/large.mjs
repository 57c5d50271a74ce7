#!/usr/bin/env node
// The whole life of a journal of any size: made, replayed into SQLite, served, killed, served again, verified.
//
//   node tests/bench/large.mjs [--records N] [--directory DIR] [--keep] [-- options of bench fill]
//
// Prints `name value unit` lines: time, peak memory, and the memory at a quarter, half and the end
// of each step. Fails when a step does, when two steps name different tree heads, or when memory
// of a command grows with the journal (from 10 million records on: below that, it still fills its
// tables). A server's is printed alone, as it ends its start with more threads than it began with.
// 100 million records take about 20 GB for the journal and 40 GB for SQLite in DIR.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const BINARY = path.resolve(
  process.env.TAPLINE_BIN ?? path.join(root, 'build', 'release', 'tools', 'tapline'),
);
const FLAT_FROM = 10_000_000;
const FLAT_MIB = 64;
const SAMPLE_MS = 50;
const READY = /^tapline ready on (http:\/\/\S+)$/m;

const { values: options, positionals: fillOptions } = parseArgs({
  options: {
    records: { type: 'string', default: '100000' },
    directory: { type: 'string', default: os.tmpdir() },
    keep: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const records = Number(options.records);
const home = fs.mkdtempSync(path.join(options.directory, 'tapline-large-'));
const data = path.join(home, 'data');
const running = new Set();
let failures = 0;

process.on('exit', () => {
  for (const child of running) {
    child.kill('SIGKILL');
  }
  if (!options.keep) {
    fs.rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  }
});
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => process.exit(1));
}

function say(name, value, unit = '') {
  console.log(`${name} ${value}${unit && ` ${unit}`}`);
}

function fail(what) {
  failures += 1;
  console.error(`large: ${what}`);
}

/** MiB in use now and at most so far; null when the process is gone. */
function memoryOf(pid) {
  try {
    const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
    const kib = (field) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)[1]);
    return { now: kib('VmRSS') / 1024, peak: kib('VmHWM') / 1024 };
  } catch {
    return null; // it ended, or is ending and has no memory any more
  }
}

/** A process whose memory is watched; `ended` gives its exit code. */
function start(args) {
  const child = spawn(BINARY, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const watched = { child, out: '', err: '', samples: [], peak: 0, began: performance.now() };
  running.add(child);
  child.stdout.on('data', (piece) => {
    watched.out += piece;
  });
  child.stderr.on('data', (piece) => {
    watched.err = (watched.err + piece).slice(-4000);
  });
  const timer = setInterval(() => {
    const memory = memoryOf(child.pid);
    if (memory) {
      watched.samples.push({ at: performance.now() - watched.began, mib: memory.now });
      watched.peak = memory.peak;
    }
  }, SAMPLE_MS);
  watched.ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearInterval(timer);
      running.delete(child);
      watched.seconds = (performance.now() - watched.began) / 1000;
      resolve(code ?? signal);
    });
  });
  return watched;
}

/** The memory at a part of the time that it was watched. */
function memoryAt(watched, part) {
  const { samples } = watched;
  const end = samples.at(-1)?.at ?? 0;
  return samples.find((sample) => sample.at >= end * part)?.mib ?? 0;
}

function sayMemory(name, watched) {
  const [quarter, half, whole] = [0.25, 0.5, 1].map((part) => memoryAt(watched, part));
  say(`${name}.memory_peak`, watched.peak.toFixed(1), 'MiB');
  say(`${name}.memory_quarter`, quarter.toFixed(1), 'MiB');
  say(`${name}.memory_half`, half.toFixed(1), 'MiB');
  say(`${name}.memory_end`, whole.toFixed(1), 'MiB');
  return { half, whole };
}

/** Runs a command to its end, and says what it took. */
async function step(name, args) {
  const watched = start(args);
  const code = await watched.ended;
  say(`${name}.time`, watched.seconds.toFixed(2), 's');
  say(`${name}.rate`, Math.round(records / watched.seconds), 'records/s');
  const { half, whole } = sayMemory(name, watched);
  if (records >= FLAT_FROM && whole > half * 1.25 + FLAT_MIB) {
    fail(`${name}: memory grows with the journal: ${half} MiB at half, ${whole} MiB at the end`);
  }
  if (code !== 0) {
    fail(`${name}: exit ${code}: ${watched.err}`);
    process.exit(1);
  }
  return watched.out;
}

/** Starts a server; returns when it answers. */
async function serve(name) {
  const watched = start(['serve', '--data', data, '--listen', '127.0.0.1:0']);
  const ready = new Promise((resolve) => {
    watched.child.stdout.on('data', () => {
      const line = READY.exec(watched.out);
      if (line) {
        resolve(line[1]);
      }
    });
  });
  const url = await Promise.race([ready, watched.ended]);
  if (typeof url !== 'string' || !url.startsWith('http')) {
    fail(`${name}: exit ${url} before it was ready: ${watched.err}`);
    process.exit(1);
  }
  say(`${name}.ready`, ((performance.now() - watched.began) / 1000).toFixed(2), 's');
  const answer = await fetch(new URL('/v1/status', url));
  if (answer.status !== 200) {
    fail(`${name}: GET /v1/status answers ${answer.status}`);
  }
  await answer.text();
  sayMemory(name, watched);
  return watched;
}

function bytesOf(directory, matches) {
  return fs
    .readdirSync(directory)
    .filter((name) => matches.test(name))
    .reduce((sum, name) => sum + fs.statSync(path.join(directory, name)).size, 0);
}

/** The tree head that verify found over records 1..seq. */
function headOf(verified) {
  const { seq, tree_head: head, result } = JSON.parse(verified);
  if (result !== 'good') {
    fail(`verify: ${result}`);
  }
  return { seq: Number(seq), head };
}

say('records', records, 'records');
const filled = await step('fill', [
  'bench', 'fill', '--data', data, '--records', String(records), '--no-sync', ...fillOptions,
]);
const [, head] = /^tree_head (\S+)$/m.exec(filled);
for (const line of filled.trim().split('\n')) {
  console.log(`fill.${line}`);
}
const bare = headOf(await step('verify_no_sqlite', [
  'verify', '--data', data, '--no-sqlite', '--json',
]));
if (bare.seq !== records || bare.head !== head) {
  fail(`verify names ${bare.head} at ${bare.seq}, fill ${head} at ${records}`);
}
say('journal_bytes', bytesOf(path.join(data, 'journal'), /\.seg$/), 'bytes');

const made = path.join(home, 'made');
await step('replay', ['replay', '--data', data, '--out', made]);
say('sqlite_bytes', bytesOf(made, /\.db$/), 'bytes');
for (const name of fs.readdirSync(made)) {
  fs.renameSync(path.join(made, name), path.join(data, name));
}

const first = await serve('serve');
first.child.kill('SIGKILL');
await first.ended;
const second = await serve('serve_again');
second.child.kill('SIGTERM');
const code = await second.ended;
if (code !== 0) {
  fail(`serve drained with ${code}: ${second.err}`);
}
headOf(await step('verify', ['verify', '--data', data, '--json']));
say('result', failures === 0 ? 'good' : 'bad');
process.exit(failures === 0 ? 0 : 1);
