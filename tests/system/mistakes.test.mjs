// What an operator does wrong ends with the documented code and one line that says what is so, and a
// start that fails leaves nothing behind.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';
import { Client, makeWallet } from './client/client.mjs';
import {
  BINARY,
  Server,
  freePort,
  makeDirectory,
  mustEnd,
  refusesToStart,
  tapline,
} from './harness.mjs';

const NOBODY = 65534;

/** The last line of stderr matches, there is no second one about the same, and the code is right. */
function told(ended, code, pattern, what) {
  assert.equal(ended.code, code, `${what}: ${ended.stderr}`);
  const lines = ended.stderr.trim().split('\n');
  assert.match(lines.at(-1), pattern, what);
  assert.equal(lines.filter((line) => pattern.test(line)).length, 1, `${what}: ${ended.stderr}`);
}

/** A listener of somebody else's. */
async function busyPort(t) {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return server.address().port;
}

/** Runs the program without the rights of root, which no directory's mode would stop. */
async function asNobody(directory, args) {
  let options = {};
  let program = BINARY;
  if (process.getuid() === 0) {
    program = path.join(directory, 'tapline');
    fs.copyFileSync(BINARY, program);
    fs.chmodSync(program, 0o755);
    options = { uid: NOBODY, gid: NOBODY };
  }
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const timer = setTimeout(() => child.kill('SIGKILL'), 60000);
  const out = { stdout: '', stderr: '' };
  child.stdout.on('data', (piece) => {
    out.stdout += piece;
  });
  child.stderr.on('data', (piece) => {
    out.stderr += piece;
  });
  const [code, signal] = await once(child, 'close');
  clearTimeout(timer);
  return { code: code ?? signal, ...out };
}

function giveToNobody(directory) {
  if (process.getuid() === 0) {
    for (const name of fs.readdirSync(directory, { recursive: true })) {
      fs.lchownSync(path.join(directory, name), NOBODY, NOBODY);
    }
    fs.chownSync(directory, NOBODY, NOBODY);
  }
}

/** A drained data directory with a few records. */
async function makeData(t, directory) {
  const data = path.join(directory, 'data');
  const server = await Server.start(t, data, ['--demo']);
  await server.stop();
  return data;
}

/** Wrong options end with 64 and make no directory. */
test('a_start_that_cannot_work_leaves_nothing_behind', async (t) => {
  const directory = makeDirectory(t);
  const data = path.join(directory, 'data');
  const file = path.join(directory, 'file');
  const market = path.join(directory, 'market.ini');
  fs.writeFileSync(file, 'x');
  fs.writeFileSync(market, '[market]\nedge_bp = 5001\n');
  const busy = await busyPort(t);
  const same = await freePort();
  const before = fs.readdirSync(directory);
  for (const [args, pattern] of [
    [['--listen', `127.0.0.1:${busy}`], /--listen: .*address already in use/],
    [['--listen', 'nowhere'], /--listen wants ADDR:PORT, not 'nowhere'/],
    [['--feed', 'foo'], /--feed 'foo': unknown/],
    [['--feed', `lines:127.0.0.1:${busy}`], /--feed 'lines:.*address already in use/],
    [
      ['--listen', `127.0.0.1:${same}`, '--feed', `lines:127.0.0.1:${same}`],
      /--feed 'lines:.*address already in use/,
    ],
    [['--feed', 'replay:/nonexistent'], /--feed 'replay:.*No such file or directory/],
    [['--market', '/nonexistent'], /--market: .*No such file or directory/],
    [['--market', market], /--market: .*market.ini:2: edge_bp: must be 0\.\.5000/],
    [['--origin', 'foo'], /--origin wants scheme:\/\/host\[:port\].* not 'foo'/],
    [['--origin', 'https://a.example/'], /--origin wants .* not 'https:\/\/a.example\/'/],
    [['--origin', 'https://a.example/b'], /--origin wants /],
    [['--admin', '/nonexistent/x.sock'], /'\/nonexistent\/x.sock': .*No such file or directory/],
    [['--admin', file], /there is a file that is no socket/],
    [['--admin', `/tmp/${'x'.repeat(120)}`], /longer than 107 bytes/],
  ]) {
    const ended = await refusesToStart(data, ['--demo', ...args]);
    told(ended, 64, pattern, args.join(' '));
    assert.doesNotMatch(ended.stderr, /`|feed \S+: feed/, args.join(' '));
    assert.deepEqual(fs.readdirSync(directory), before, args.join(' '));
  }
  const long = path.join(directory, 'd'.repeat(100));
  told(await refusesToStart(long), 64, /admin\.sock would be longer than 107 bytes/, 'a long path');
  assert.deepEqual(fs.readdirSync(directory), before);
  told(await refusesToStart(file), 64, /--data '.*file': .*Not a directory/, 'a file');
  told(
    await refusesToStart(path.join(directory, 'none', 'data')),
    64,
    /--data '.*': .*No such file or directory/,
    'no parent',
  );
});

/** A journal that cannot be read or written is told with the file and the system's reason. */
test('rights_that_are_missing_are_named', async (t) => {
  const directory = makeDirectory(t);
  const data = await makeData(t, directory);
  const journal = path.join(data, 'journal');
  fs.chmodSync(directory, 0o755);
  giveToNobody(data);
  const serve = async (where) =>
    asNobody(directory, ['serve', '--demo', '--data', where, '--listen', '127.0.0.1:0']);

  fs.chmodSync(journal, 0o500);
  const said = await serve(data);
  assert.equal(said.code, 73, said.stderr); // at once, or when the first records are durable
  assert.match(said.stderr, /cannot open \S*journal\/spare: Permission denied/);
  fs.chmodSync(journal, 0o700);

  fs.chmodSync(data, 0o500);
  told(await serve(data), 64, /--data '.*data': .*Permission denied/, 'data is read-only');
  fs.chmodSync(data, 0o700);
  const locked = path.join(directory, 'locked');
  fs.mkdirSync(locked);
  fs.chmodSync(locked, 0o500);
  giveToNobody(locked);
  told(await serve(path.join(locked, 'data')), 64, /Permission denied/, 'the parent is read-only');
  told(
    await asNobody(directory, ['replay', '--data', data, '--out', path.join(locked, 'out')]),
    64,
    /cannot make --out '.*': Permission denied/,
    'replay',
  );

  const socket = path.join(locked, 'admin.sock');
  fs.chmodSync(locked, 0o700);
  const dead = await Server.start(t, path.join(directory, 'b'), ['--demo', '--admin', socket]);
  await dead.kill();
  fs.chmodSync(locked, 0o500);
  const fresh = path.join(directory, 'fresh');
  fs.mkdirSync(fresh);
  giveToNobody(fresh);
  const args = ['serve', '--demo', '--data', path.join(fresh, 'data'), '--listen', '127.0.0.1:0'];
  const stale = await asNobody(directory, [...args, '--admin', socket]);
  told(stale, 64, /socket of an ended server cannot be removed.*: Permission denied/, 'stale');
  assert.deepEqual(fs.readdirSync(fresh), []);

  const segment = fs.readdirSync(journal).find((name) => name.endsWith('.seg'));
  fs.chmodSync(path.join(journal, segment), 0o000);
  const reason = new RegExp(`cannot open \\S*${segment}: Permission denied`);
  told(await serve(data), 73, reason, 'serve');
  for (const command of [
    ['verify'],
    ['inspect'],
    ['explain', '--bet', '1'],
    ['account', '--account', makeWallet('mistakes', 1).address],
    ['replay', '--no-sqlite'],
  ]) {
    told(await asNobody(directory, [...command, '--data', data]), 73, reason, command[0]);
  }
  fs.chmodSync(path.join(journal, segment), 0o600);
  await mustEnd(0, asNobody(directory, ['verify', '--data', data]), 'verify');
});

/** The whole journal is a tail too: SQLite has seen it. */
test('a_lost_journal_folder_is_refused_and_can_be_put_back', async (t) => {
  const directory = makeDirectory(t);
  const data = await makeData(t, directory);
  const aside = path.join(directory, 'aside');
  fs.renameSync(path.join(data, 'journal'), aside);
  const ended = await refusesToStart(data, ['--demo']);
  told(ended, 74, /\.db has seen seq (\d+), so seq 1 to \1 are missing/, 'without journal/');
  assert.doesNotMatch(ended.stderr, /archive/);
  assert.ok(!fs.existsSync(path.join(data, 'journal')), 'nothing was put in its place');
  for (const command of ['verify', 'recover']) {
    const ended = await tapline(command, '--data', data);
    told(ended, 2, /journal\/ is missing, but main\.db has seen seq \d+/, command);
  }
  fs.renameSync(aside, path.join(data, 'journal'));
  const server = await Server.start(t, data, ['--demo']);
  await server.stop();
  await mustEnd(0, tapline('verify', '--data', data), 'verify');
});

/** Damage is told with what can be done now, once. */
test('damage_comes_with_advice_that_can_be_followed', async (t) => {
  const directory = makeDirectory(t);
  const data = await makeData(t, directory);
  const journal = path.join(data, 'journal');
  const segment = path.join(journal, fs.readdirSync(journal).find((name) => /\.seg$/.test(name)));
  const bytes = fs.readFileSync(segment);
  bytes[200] ^= 1;
  fs.writeFileSync(segment, bytes);
  const served = await refusesToStart(data, ['--demo']);
  const verified = await tapline('verify', '--data', data);
  assert.deepEqual([served.code, verified.code], [74, 2]);
  for (const { stderr } of [served, verified]) {
    assert.equal(stderr.split('copy the directory aside').length, 2, stderr);
    assert.doesNotMatch(stderr, /archive/);
  }
});

/** A living server keeps its socket; a dead one's makes way. */
test('an_admin_socket_is_taken_over_from_the_dead_alone', async (t) => {
  const directory = makeDirectory(t);
  const socket = path.join(directory, 'admin.sock');
  const first = await Server.start(t, path.join(directory, 'a'), ['--demo', '--admin', socket]);
  const second = path.join(directory, 'b');
  const refused = await refusesToStart(second, ['--demo', '--admin', socket]);
  told(refused, 64, /another server has this socket/, 'two servers');
  assert.ok(!fs.existsSync(second));
  await mustEnd(0, tapline('admin', '--socket', socket, 'status'), 'admin status');
  await first.kill();
  const next = await Server.start(t, path.join(directory, 'a'), ['--demo', '--admin', socket]);
  await mustEnd(0, tapline('admin', '--socket', socket, 'status'), 'admin status');
  await next.stop();
});

/** A reference is no nonce, and a file made of the options starts a server. */
test('words_fit_what_was_asked', async (t) => {
  const directory = makeDirectory(t);
  const data = path.join(directory, 'data');
  const server = await Server.start(t, data, ['--demo']);
  const client = new Client(server.url);
  const { address } = makeWallet('mistakes', 2);
  const where = ['--data', data, '--account', address, '--ref', 'r'];
  const transfer = (amount) => tapline('admin', 'deposit', ...where, '--amount', amount);
  await mustEnd(0, transfer('5'), 'deposit');
  const again = await mustEnd(1, transfer('6'), 'deposit');
  const http = await client.request('POST', '/v1/demo/deposit', {
    body: { account: address, amount: '7', ref: 'r' },
  });
  for (const { error } of [JSON.parse(again.stdout), JSON.parse(http.text)]) {
    assert.equal(error.code, 'NONCE_REUSED');
    assert.match(error.message, /this reference was used for another transfer/);
  }
  const { text } = await client.request('GET', '/metrics');
  assert.doesNotMatch(text, /given in/);
  client.close();
  await server.stop();
  const printed = await mustEnd(
    0,
    tapline('serve', '--demo', '--data', data, '--listen', '127.0.0.1:0', '--print-config'),
    'print-config',
  );
  assert.doesNotMatch(printed.stdout, /print-config/);
  assert.match(printed.stdout, /^# origin = $/m, 'an option without a value has its line too');
  const file = path.join(directory, 'serve.ini');
  fs.writeFileSync(file, printed.stdout);
  const configured = await Server.start(t, data, ['--config', file]);
  await configured.stop();
});
