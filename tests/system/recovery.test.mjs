// A journal that lost its end or was spoilt, and databases that are not those of the journal: what
// serve refuses, what it mends by itself, and what `tapline recover` makes of the rest.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Client, makeWallet, openCells, signTap } from './client/client.mjs';
import {
  Server,
  inspect,
  makeDirectory,
  mustEnd,
  oracle,
  refusesToStart,
  run,
  sleep,
  tapline,
  until,
  writeMarket,
} from './harness.mjs';

const HEADER = 4096;
const wallets = [0, 1].map((i) => makeWallet('recovery', i));

/** One life of a server: deposits and `taps` accepted bets, which are closed at its end. */
async function live(t, data, options, taps) {
  const server = await Server.start(t, data, options);
  const client = new Client(server.url);
  const config = await client.settledConfig();
  await until(
    'the breaker is HEALTHY',
    async () => (await client.get('/v1/status')).breaker === 'HEALTHY',
  );
  for (const wallet of wallets) {
    await client.deposit(wallet.address, 100_000_000);
  }
  let accepted = 0;
  for (let round = 0; accepted < taps; round += 1) {
    assert.ok(round < 400, `only ${accepted} taps were accepted`);
    const grid = await client.grid();
    for (const [i, cell] of openCells(grid, config, 500).slice(0, 4).entries()) {
      const wallet = wallets[i % wallets.length];
      const answer = await client.postTap(
        signTap(wallet, client.origin, {
          column: cell.column,
          band: cell.band,
          stake: 100000,
          config: config.config,
          time: grid.time,
        }),
      );
      accepted += answer.status === 202 ? 1 : 0;
    }
    await sleep(150);
  }
  await until('every bet is closed', async () => {
    const accounts = await Promise.all(wallets.map((w) => client.account(w.address)));
    return accounts.every((a) => a.open_bets === '0');
  });
  client.close();
  await server.stop();
}

function demo(directory) {
  return ['--demo', '--market', writeMarket(directory, { column_ms: 1000, min_lead_ms: 1000 })];
}

/** The batches of the only segment, by docs/JOURNAL_FORMAT.md. */
function batches(data) {
  const directory = path.join(data, 'journal');
  const names = fs.readdirSync(directory).filter((name) => name.endsWith('.seg'));
  assert.equal(names.length, 1);
  const file = path.join(directory, names[0]);
  const bytes = fs.readFileSync(file);
  const found = [];
  for (let at = HEADER; bytes.toString('latin1', at, at + 4) === 'TPBF'; ) {
    const size = Math.ceil((64 + bytes.readUInt32LE(at + 8)) / 4) * 4;
    const first = bytes.readBigUInt64LE(at + 24);
    const last = first + BigInt(bytes.readUInt32LE(at + 12)) - 1n;
    found.push({ file, at, size, first, last });
    at += size;
  }
  assert.ok(found.length > 10);
  return found;
}

/** Zeroes the file from `from` to `to`, or to its end. */
function wipe(file, from, to) {
  const bytes = fs.readFileSync(file);
  bytes.fill(0, from, to ?? bytes.length);
  fs.writeFileSync(file, bytes);
}

function copyOf(data, name) {
  const copy = path.join(path.dirname(data), name);
  fs.rmSync(copy, { recursive: true, force: true });
  fs.cpSync(data, copy, { recursive: true, filter: (file) => !file.endsWith('.sock') });
  return copy;
}

function databases(data) {
  return fs.readdirSync(data).filter((name) => /\.db(-wal|-shm)?$/.test(name));
}

function remove(data, names) {
  names.forEach((name) => fs.rmSync(path.join(data, name), { recursive: true, force: true }));
}

/** Every file of the journal, by name and content. */
function fingerprint(data) {
  const directory = path.join(data, 'journal');
  const hash = createHash('sha256');
  for (const name of fs.readdirSync(directory).sort()) {
    hash.update(`${name}\n`).update(fs.readFileSync(path.join(directory, name)));
  }
  return hash.digest('hex');
}

async function digest(data) {
  return JSON.parse((await mustEnd(0, oracle('digest', '--data', data), 'digest')).stdout);
}

async function sql(file, ...statements) {
  const script = 'import sqlite3,sys\nd=sqlite3.connect(sys.argv[1])\n[print(*r,sep="|") for s in sys.argv[2:] for r in d.execute(s)]\nd.commit()';
  return (await mustEnd(0, run('python3', ['-c', script, file, ...statements]), 'sqlite')).stdout;
}

/** A cut at the end of a batch leaves a perfect shorter journal; one witness left is enough. */
test('a_clean_cut_is_refused_by_each_single_witness', async (t) => {
  const directory = makeDirectory(t);
  const data = path.join(directory, 'data');
  const options = [...demo(directory), '--snapshot-every', '40'];
  await live(t, data, options, 12);
  const week = databases(data).filter((name) => /^bets_.*\.db$/.test(name));
  const witnesses = {
    HEAD: [...databases(data), 'snapshots'],
    'main.db': ['journal/HEAD', 'snapshots', ...databases(data).filter((n) => !n.startsWith('main'))],
    'bets_': ['journal/HEAD', 'snapshots', ...databases(data).filter((n) => n.startsWith('main'))],
    'snapshots/': ['journal/HEAD', ...databases(data)],
  };
  assert.ok(week.length > 0);
  assert.ok(fs.readdirSync(path.join(data, 'snapshots')).length > 0);
  const all = batches(data);
  const end = all.at(-1).last;
  for (const [name, others] of Object.entries(witnesses)) {
    const copy = copyOf(data, 'cut');
    remove(copy, others);
    const cut = all[1];
    wipe(path.join(copy, 'journal', path.basename(cut.file)), cut.at);
    const before = fingerprint(copy);
    const refused = await refusesToStart(copy, options);
    assert.equal(refused.code, 74, `${name}: ${refused.stderr}`);
    assert.match(refused.stderr, new RegExp(`rule e: .*${name.replace('.', '\\.')}`), name);
    const range = /so seq (\d+) to (\d+) are missing/.exec(refused.stderr);
    assert.ok(range, refused.stderr);
    assert.equal(BigInt(range[1]), cut.first, name);
    assert.ok(BigInt(range[2]) > cut.first && BigInt(range[2]) <= end, refused.stderr);
    assert.equal(fingerprint(copy), before, `${name}: nothing was written`);
  }
});

/** A later batch in the journal itself is a witness as well: its header says what was durable. */
test('a_hole_is_refused_by_the_batch_behind_it', async (t) => {
  const directory = makeDirectory(t);
  const data = path.join(directory, 'data');
  const options = demo(directory);
  await live(t, data, options, 8);
  remove(data, ['journal/HEAD', 'snapshots', ...databases(data)]);
  const [hole] = batches(data).slice(-2);
  wipe(hole.file, hole.at, hole.at + hole.size);
  const before = fingerprint(data);
  const refused = await refusesToStart(data, options);
  assert.equal(refused.code, 74, refused.stderr);
  assert.match(refused.stderr, new RegExp(`seq ${hole.first}, rule b`));
  assert.equal(fingerprint(data), before);
});

/** The honest limit, as docs/JOURNAL_FORMAT.md says it: no witness at all, no word. */
test('a_cut_that_nobody_saw_starts', async (t) => {
  const directory = makeDirectory(t);
  const data = path.join(directory, 'data');
  const options = demo(directory);
  await live(t, data, options, 8);
  remove(data, ['journal/HEAD', 'snapshots', ...databases(data)]);
  const cut = batches(data).at(-3);
  wipe(cut.file, cut.at);
  await (await Server.start(t, data, options)).stop();
  await mustEnd(0, tapline('verify', '--data', data), 'verify');
});

/** Older databases catch up; newer ones are witnesses of what the journal has lost. */
test('databases_of_another_time_catch_up_or_are_refused', async (t) => {
  const directory = makeDirectory(t);
  const data = path.join(directory, 'data');
  const options = demo(directory);
  await live(t, data, options, 8);
  const early = copyOf(data, 'early');
  const short = batches(early).at(-1).last;
  await live(t, data, options, 8);
  const end = batches(data).at(-1).last;
  const late = await digest(data);

  const older = copyOf(data, 'older');
  remove(older, databases(older));
  databases(early).forEach((n) => fs.copyFileSync(path.join(early, n), path.join(older, n)));
  await (await Server.start(t, older, options)).stop();
  await mustEnd(0, tapline('verify', '--data', older), 'verify of caught up databases');
  const caught = await digest(older);
  for (const [name, rows] of Object.entries(late)) {
    // The further life adds columns of its own, never bets.
    if (/:bets$/.test(name)) {
      assert.deepEqual(caught[name], rows, name);
    }
  }

  const newer = copyOf(early, 'newer');
  remove(newer, [...databases(newer), 'snapshots']);
  databases(data).forEach((n) => fs.copyFileSync(path.join(data, n), path.join(newer, n)));
  const refused = await refusesToStart(newer, options);
  assert.equal(refused.code, 74, refused.stderr);
  assert.match(refused.stderr, new RegExp(`so seq ${short + 1n} to ${end} are missing`));
});

/** Money edited in SQLite is found by verify, also when the sums still agree, and comes back. */
test('edited_money_is_found_and_comes_back', async (t) => {
  const directory = makeDirectory(t);
  const data = path.join(directory, 'data');
  const options = demo(directory);
  await live(t, data, options, 12);
  const week = databases(data).find((name) => /^bets_.*\.db$/.test(name));
  const before = await digest(data);
  const balance = 'UPDATE users SET balance = balance + 1000000 WHERE id = 1';
  const row =
    'UPDATE transaction_ledger SET amount = amount + 1000000 WHERE (seq, line) = ' +
    '(SELECT seq, line FROM transaction_ledger WHERE user_id = 1 AND seq > 0 ORDER BY seq, line LIMIT 1)';
  const edits = { balance: [[balance], []], row: [[], [row]], both: [[balance], [row]] };
  for (const [name, [main, bets]] of Object.entries(edits)) {
    const copy = copyOf(data, `edited-${name}`);
    await sql(path.join(copy, 'main.db'), ...main);
    await sql(path.join(copy, week), ...bets);
    const found = await tapline('verify', '--data', copy);
    assert.equal(found.code, 1, `${name}: ${found.stdout} ${found.stderr}`);
    assert.match(found.stderr, main.length > 0 && bets.length === 0 ? /users|balance/ : /ledger|users/);
    remove(copy, databases(copy));
    await (await Server.start(t, copy, options)).stop();
    await mustEnd(0, tapline('verify', '--data', copy), `${name}: verify of rebuilt databases`);
    const rebuilt = await digest(copy);
    for (const [table, rows] of Object.entries(before)) {
      if (/:(bets|users|transaction_ledger)$/.test(table)) {
        assert.deepEqual(rebuilt[table], rows, `${name}: ${table}`);
      }
    }
  }
});

/** The last resort, from the refusal to a server that plays on, with everybody who is owed named. */
test('recover_keeps_what_is_sound_and_names_what_is_lost', async (t) => {
  const directory = makeDirectory(t);
  const data = path.join(directory, 'data');
  const options = demo(directory);
  await live(t, data, options, 20);
  const whole = await inspect(data, path.join(directory, 'whole.jsonl'));
  const all = batches(data);
  const hit = all[Math.floor(all.length / 2)];
  const bytes = fs.readFileSync(hit.file);
  bytes[hit.at + 80] ^= 4;
  fs.writeFileSync(hit.file, bytes);
  const before = fingerprint(data);
  assert.equal((await refusesToStart(data, options)).code, 74);

  const shown = await mustEnd(2, tapline('recover', '--data', data), 'recover shows');
  assert.match(shown.stdout, /nothing was written/);
  const out = path.join(directory, 'new');
  const author = ['--operator', 'ann', '--reason', 'a bit flipped'];
  await mustEnd(0, tapline('recover', '--data', data, '--out', out, ...author), 'recover');
  assert.equal(fingerprint(data), before, 'the damaged journal is only read');
  await mustEnd(64, tapline('recover', '--data', data, '--out', out, ...author), 'a second one');

  await mustEnd(0, tapline('verify', '--data', out, '--signatures'), 'verify');
  const kept = await inspect(out, path.join(directory, 'kept.jsonl'));
  const record = kept.at(-1);
  assert.equal(record.kind, 'recovery');
  assert.equal(BigInt(record.kept_to), hit.first - 1n);
  assert.equal(BigInt(record.lost_to), all.at(-1).last);
  assert.equal(record.operator, 'ann');
  assert.equal(record.reason, 'a bit flipped');
  assert.deepEqual(kept.slice(0, -1), whole.slice(0, Number(hit.first) - 1));

  // Every tap behind the spoilt batch is in the report, with its player and stake.
  const report = fs.readFileSync(path.join(out, 'RECOVERY.txt'), 'utf8');
  const lost = whole.filter((r) => r.kind === 'tap' && BigInt(r.seq) > hit.last);
  assert.ok(lost.length > 0);
  for (const tap of lost) {
    const line = report.split('\n').find((l) => l.includes(`seq=${tap.seq} `));
    assert.ok(line?.includes(tap.account) && line.includes(`stake=${tap.stake}`), tap.seq);
  }

  const server = await Server.start(t, out, options);
  await mustEnd(75, tapline('recover', '--data', out), 'recover beside a server');
  const client = new Client(server.url);
  assert.ok(BigInt((await client.get('/healthz')).seq) > hit.first);
  client.close();
  await server.stop();
  await mustEnd(0, tapline('verify', '--data', out), 'verify after a life');
});
