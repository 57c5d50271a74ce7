// What `tapline bench fill` makes is a journal like any other: it verifies, the same seed makes the
// same bytes, a server goes on with it, weeks part it, and a full disk leaves what fits whole.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { BINARY, Server, makeDirectory, mustEnd, run, tapline } from '../system/harness.mjs';

/** Makes a journal; its figures by name. */
async function fill(data, records, ...options) {
  const { stdout } = await mustEnd(
    0,
    tapline('bench', 'fill', '--data', data, '--records', String(records), ...options),
    'bench fill',
  );
  return figuresOf(stdout);
}

function figuresOf(text) {
  const lines = text.trim().split('\n');
  return Object.fromEntries(
    lines.map((line) => {
      const [name, value] = line.split(' ');
      return [name, value];
    }),
  );
}

async function verify(data, ...options) {
  const { stdout } = await mustEnd(
    0,
    tapline('verify', '--data', data, '--json', ...options),
    'verify',
  );
  return JSON.parse(stdout);
}

function segmentsOf(data) {
  const folder = path.join(data, 'journal');
  const names = fs.readdirSync(folder).filter((name) => name.endsWith('.seg'));
  return names.sort().map((name) => [name, fs.readFileSync(path.join(folder, name))]);
}

/** Rows of a query over a SQLite file. */
async function rows(file, sql) {
  const program =
    'import json,sqlite3,sys; print(json.dumps(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall()))';
  const { stdout } = await mustEnd(0, run('python3', ['-c', program, file, sql]), sql);
  return JSON.parse(stdout);
}

// The same seed makes the same bytes of segments; another seed another history.
test('the same seed makes the same journal', async (t) => {
  const home = makeDirectory(t);
  const made = [];
  for (const [name, seed] of [['one', '7'], ['two', '7'], ['other', '8']]) {
    const data = path.join(home, name);
    const figures = await fill(
      data, 20000, '--accounts', '300', '--taps-per-second', '100', '--seed', seed, '--no-sync',
    );
    made.push({ head: figures.tree_head, segments: segmentsOf(data) });
  }
  const [one, two, other] = made;
  assert.equal(one.head, two.head);
  assert.deepEqual(one.segments, two.segments);
  assert.notEqual(one.head, other.head);
});

// With real signatures every one of them is good, and prices, digests and Attests too. Each batch
// is synced here.
test('a signed journal verifies with all its signatures', async (t) => {
  const data = path.join(makeDirectory(t), 'data');
  const figures = await fill(
    data, 6000, '--accounts', '200', '--taps-per-second', '100', '--signed', '--batch', '50',
  );
  const found = await verify(data, '--signatures');
  assert.equal(found.result, 'good');
  assert.equal(found.tree_head, figures.tree_head);
  assert.equal(found.records, '6000');
  assert.equal(found.signatures, figures.taps);
  assert.equal(found.attests, figures.attests);
  assert.ok(Number(figures.taps) > 4000, `${figures.taps} taps`);
});

// Nearly all taps are accepted, and the few mistakes are of all sorts.
test('the market is busy: taps are accepted, settled, and some are refused', async (t) => {
  const data = path.join(makeDirectory(t), 'data');
  const figures = await fill(data, 100000, '--taps-per-second', '300', '--no-sync');
  const count = (name) => Number(figures[name]);
  assert.ok(count('accepted_share') >= 95, `${figures.accepted_share} % accepted`);
  assert.ok(count('settled_share') >= 80, `${figures.settled_share} % settled`); // others are open
  assert.equal(count('accepted') + count('refused') + count('without_bet'), count('taps'));
  for (const name of ['won', 'lost', 'rejected', 'refused', 'without_bet', 'epochs', 'attests']) {
    assert.ok(count(name) > 1, `${name} ${figures[name]}`);
  }
});

// The server takes a filled journal for its own: makes SQLite from it, stops well, and the whole
// verifies afterwards.
test('a server starts on a filled journal and goes on', async (t) => {
  const data = path.join(makeDirectory(t), 'data');
  await fill(data, 5000, '--accounts', '100', '--taps-per-second', '50', '--no-sync');
  const server = await Server.start(t, data);
  const answer = await fetch(`${server.url}/v1/status`);
  assert.equal(answer.status, 200);
  await answer.text();
  await server.stop();
  const found = await verify(data);
  assert.equal(found.result, 'good');
  assert.ok(Number(found.records) > 5000, `${found.records} records`);
  assert.equal(found.sqlite_seq, found.records);
});

// A load through Monday 00:00 UTC: each bet is in the week of its tap, none is lost or doubled, the
// sums of both weeks are those that the machine counted, and every balance is carried over.
test('a load through a week border is parted right', async (t) => {
  const home = makeDirectory(t);
  const data = path.join(home, 'data');
  const made = path.join(home, 'made');
  const figures = await fill(
    data, 30000, '--accounts', '400', '--taps-per-second', '200',
    '--start', '2025-06-08T23:59:00Z', '--no-sync',
  );
  await mustEnd(0, tapline('replay', '--data', data, '--out', made), 'replay');
  const weeks = ['bets_2025_w23.db', 'bets_2025_w24.db'];
  assert.deepEqual(fs.readdirSync(made).filter((name) => /^bets_.*\.db$/.test(name)).sort(), weeks);
  const border = Date.UTC(2025, 5, 9);
  let bets = 0;
  let settled = 0;
  for (const [index, name] of weeks.entries()) {
    const [[count, done, first, last]] = await rows(
      path.join(made, name),
      'SELECT count(*), count(settled_seq), min(accepted_at), max(accepted_at) FROM bets',
    );
    assert.ok(count > 1000, `${name}: ${count} bets`);
    assert.ok(index === 0 ? last < border : first >= border, `${name}: ${first} to ${last}`);
    bets += count;
    settled += done;
  }
  assert.equal(bets, Number(figures.accepted) + Number(figures.refused));
  assert.equal(settled, Number(figures.won) + Number(figures.lost) + Number(figures.void));
  for (const name of fs.readdirSync(made)) {
    fs.renameSync(path.join(made, name), path.join(data, name));
  }
  const found = await verify(data);
  assert.equal(found.result, 'good');
  assert.equal(found.sqlite_seq, figures.records);
});

// The parts that `bench kept` names add up to the whole, and the whole is within the goal.
test('kept names every byte of a tap', async (t) => {
  const home = makeDirectory(t);
  const data = path.join(home, 'data');
  await fill(data, 30000, '--accounts', '400', '--taps-per-second', '300', '--no-sync');
  const { stdout } = await mustEnd(
    0,
    tapline('bench', 'kept', '--data', data, '--level-best', '5'),
    'bench kept',
  );
  const figures = figuresOf(stdout);
  const sum = (group) =>
    Object.entries(figures)
      .filter(([name]) => name.startsWith(`${group}.`) && name !== `${group}.all`)
      .reduce((total, [, value]) => total + Number(value), 0);
  assert.ok(Math.abs(sum('journal') - Number(figures['journal.all'])) < 0.2, stdout);
  assert.ok(Math.abs(sum('tap') - Number(figures['journal.taps'])) < 0.2, stdout);
  assert.ok(Number(figures['journal.all']) <= 230, stdout);
  assert.ok(Number(figures['zstd.level_3']) <= 150, stdout);
  assert.equal(figures['sqlite.files'], '0');
});

// A disk that fills up ends the making, with 73 and a word; what is there is a whole journal.
test('a full disk leaves a journal of what fits', async (t) => {
  const home = makeDirectory(t);
  const disk = path.join(home, 'disk');
  fs.mkdirSync(disk);
  const script =
    'mount -t tmpfs -o size=12m none "$1" || exit 99; ' +
    '"$2" bench fill --data "$1/data" --records 1000000 --no-sync; code=$?; ' +
    '"$2" verify --data "$1/data" --no-sqlite >"$1/../verified" || exit 98; exit $code';
  const ended = await run('unshare', ['-rm', 'sh', '-c', script, 'sh', disk, BINARY]);
  if (ended.code === 99 || /unshare/.test(ended.stderr)) {
    console.log(`SKIPPED: ${t.name}: no file system of its own may be mounted here`);
    t.skip('no mount');
    return;
  }
  assert.equal(ended.code, 73, ended.stderr);
  assert.match(ended.stderr, /disk is full: \d+ records fit/);
  const { records } = figuresOf(ended.stdout);
  assert.match(
    fs.readFileSync(path.join(home, 'verified'), 'utf8'),
    new RegExp(`^records +${records} in`),
  );
});

test('a directory with a journal is left as it is', async (t) => {
  const data = path.join(makeDirectory(t), 'data');
  await fill(data, 100, '--accounts', '10', '--no-sync');
  const before = segmentsOf(data);
  const again = await tapline('bench', 'fill', '--data', data, '--records', '100');
  assert.equal(again.code, 64);
  assert.match(again.stderr, /there is a journal already/);
  assert.deepEqual(segmentsOf(data), before);
});
