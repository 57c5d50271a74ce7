// One wrong byte anywhere in the journal is named and refused; a lost SQLite file comes back the
// same.   FLIPS: how many bytes (default 20)      SEED: of their places

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Choices, Client, makeWallet, openCells, signTap } from './client/client.mjs';
import {
  BINARY,
  Server,
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

const FLIPS = Number(process.env.FLIPS ?? 20);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

/** A data directory with settled bets of three wallets, its server drained. */
async function makeHistory(t, directory) {
  const data = path.join(directory, 'data');
  const options = [
    '--demo',
    '--market',
    writeMarket(directory, { column_ms: 1000, min_lead_ms: 1000 }),
  ];
  const server = await Server.start(t, data, options);
  const client = new Client(server.url);
  const config = await client.settledConfig();
  await until(
    'the breaker is HEALTHY',
    async () => (await client.get('/v1/status')).breaker === 'HEALTHY',
  );
  const wallets = [0, 1, 2].map((i) => makeWallet('damage', i));
  for (const wallet of wallets) {
    await client.deposit(wallet.address, 100_000_000);
  }
  let accepted = 0;
  for (let round = 0; round < 20; round += 1) {
    const grid = await client.grid();
    const cells = openCells(grid, config, 500);
    for (const [i, cell] of cells.slice(0, 9).entries()) {
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
  assert.ok(accepted > 20, `only ${accepted} taps were accepted`);
  await until('every bet is closed', async () => {
    const accounts = await Promise.all(wallets.map((w) => client.account(w.address)));
    return accounts.every((a) => a.open_bets === '0');
  });
  client.close();
  await server.stop();
  return { data, options };
}

/** Each segment up to its last one that is not zero: what is written, not what is reserved. */
function written(data) {
  const directory = path.join(data, 'journal');
  return fs
    .readdirSync(directory)
    .filter((name) => name.endsWith('.seg'))
    .sort()
    .map((name) => {
      const file = path.join(directory, name);
      const bytes = fs.readFileSync(file);
      let end = bytes.length;
      while (end > 0 && bytes[end - 1] === 0) {
        end -= 1;
      }
      return { file, end };
    })
    .filter(({ end }) => end > 0);
}

function flip(file, offset, bit) {
  const handle = fs.openSync(file, 'r+');
  const byte = Buffer.alloc(1);
  fs.readSync(handle, byte, 0, 1, offset);
  byte[0] ^= 1 << bit;
  fs.writeSync(handle, byte, 0, 1, offset);
  fs.closeSync(handle);
}

/** History that was durable cannot be changed by a byte and still be served. */
test('one_flipped_bit_of_the_journal_is_named_and_refused', async (t) => {
  t.diagnostic(`SEED=${SEED}`);
  const choices = new Choices(SEED + 1);
  const directory = makeDirectory(t);
  const { data, options } = await makeHistory(t, directory);
  const segments = written(data);
  assert.ok(segments.length > 0);
  const total = segments.reduce((sum, { end }) => sum + end, 0);
  for (let i = 0; i < FLIPS; i += 1) {
    let offset = choices.below(total);
    const { file } = segments.find(({ end }) => {
      if (offset < end) {
        return true;
      }
      offset -= end;
      return false;
    });
    const bit = choices.below(8);
    const where = `${path.basename(file)} offset ${offset} bit ${bit}`;
    flip(file, offset, bit);
    const served = await refusesToStart(data, options);
    assert.equal(served.code, 74, `${where}: serve: ${served.stderr}`);
    const verified = await tapline('verify', '--data', data);
    assert.equal(verified.code, 2, `${where}: verify: ${verified.stdout} ${verified.stderr}`);
    for (const said of [served.stderr, verified.stderr + verified.stdout]) {
      assert.match(said, /segment/i, where);
      assert.match(said, /offset\D{0,3}\d/i, where);
      assert.match(said, /seq\D{0,3}\d/i, where);
    }
    flip(file, offset, bit);
  }
  await mustEnd(0, tapline('verify', '--data', data), 'verify of the mended journal');
});

async function digest(data) {
  return JSON.parse((await mustEnd(0, oracle('digest', '--data', data), 'digest')).stdout);
}

function databases(data) {
  return fs.readdirSync(data).filter((name) => /\.db(-wal|-shm)?$/.test(name));
}

/** Only journal/ matters: without its databases and snapshots a directory verifies and serves the
 * same. */
test('deleted_databases_come_back_identical', async (t) => {
  const directory = makeDirectory(t);
  const { data, options } = await makeHistory(t, directory);
  const before = await digest(data);
  assert.ok(Object.keys(before).length >= 5, Object.keys(before).join());
  assert.ok(Object.entries(before).some(([name, [rows]]) => name.endsWith(':bets') && rows > 20));

  const copy = path.join(directory, 'replayed');
  await mustEnd(0, tapline('replay', '--data', data, '--out', copy), 'replay');
  assert.deepEqual(await digest(copy), before);

  databases(data).forEach((name) => fs.rmSync(path.join(data, name)));
  fs.rmSync(path.join(data, 'snapshots'), { recursive: true, force: true });
  const server = await Server.start(t, data, options);
  await server.stop();
  const after = await digest(data);
  for (const [name, rows] of Object.entries(before)) {
    // The second life adds ticks and columns of its own, never bets, users or money.
    if (/:(bets|users|transaction_ledger)$/.test(name)) {
      assert.deepEqual(after[name], rows, name);
    } else {
      assert.ok(after[name], `${name} is back`);
    }
  }
  await mustEnd(0, tapline('verify', '--data', data), 'verify');
});

/** A start without databases makes them in one go; killed in the middle it has made nothing, and the
 * next one begins again. In the end they are what a replay makes. */
test('databases_come_back_after_kills_in_the_middle', async (t) => {
  t.diagnostic(`SEED=${SEED}`);
  const choices = new Choices(SEED + 2);
  const directory = makeDirectory(t);
  const data = path.join(directory, 'data');
  const fill = ['--records', '100000', '--no-sync', '--start', '2026-06-01T10:00:00Z'];
  await mustEnd(0, tapline('bench', 'fill', '--data', data, ...fill), 'fill');
  const options = ['serve', '--data', data, '--listen', '127.0.0.1:0', '--feed', 'sim'];
  let amidst = 0;
  for (let life = 0; life < 8; life += 1) {
    const { stderr, code } = await run(BINARY, options, { within: 100 + choices.below(1500) });
    assert.equal(code, 'SIGKILL', stderr);
    amidst += / they are made from/.test(stderr) && !/: made from/.test(stderr) ? 1 : 0;
    if (/replayed/.test(stderr)) {
      databases(data).forEach((name) => fs.rmSync(path.join(data, name)));
    }
  }
  t.diagnostic(`${amidst} of 8 kills came amidst the making`);
  const server = await Server.start(t, data, []);
  await server.stop();
  const copy = path.join(directory, 'replayed');
  await mustEnd(0, tapline('replay', '--data', data, '--out', copy), 'replay');
  // But for where a week that is over stopped to be written: at the end of some transaction.
  const [made, expected] = (await Promise.all([digest(data), digest(copy)])).map((all) =>
    Object.entries(all).filter(([name]) => !/^bets_.*:applied$/.test(name)),
  );
  assert.deepEqual(made, expected);
  await mustEnd(0, tapline('verify', '--data', data), 'verify');
});

/** What is no journal file is refused by its name, and nothing is made of it. */
test('a_directory_for_a_segment_and_half_a_copy_are_refused', async (t) => {
  const directory = makeDirectory(t);
  const data = path.join(directory, 'data');
  await (await Server.start(t, data, ['--demo'])).stop();
  const segment = path.join(data, 'journal', '00000000000000000900.seg');
  fs.mkdirSync(segment);
  const refused = await refusesToStart(data, ['--demo']);
  assert.equal(refused.code, 74, refused.stderr);
  assert.match(refused.stderr, /segment 0{17}900\.seg.*rule d.*a directory has a segment's name/);
  fs.rmdirSync(segment);
  await (await Server.start(t, data, ['--demo'])).stop();

  const half = path.join(directory, 'new.unfinished');
  fs.cpSync(data, half, { recursive: true });
  for (const named of [half, `${half}/`]) {
    const unfinished = await refusesToStart(named, ['--demo']);
    assert.equal(unfinished.code, 64, unfinished.stderr);
    assert.match(unfinished.stderr, /half of a copy that 'tapline recover' did not end/);
  }
});

/** One database of several is enough to lose. */
test('each_single_database_comes_back', async (t) => {
  const directory = makeDirectory(t);
  const { data, options } = await makeHistory(t, directory);
  const before = await digest(data);
  for (const lost of databases(data).filter((name) => name.endsWith('.db'))) {
    databases(data)
      .filter((name) => name.startsWith(lost))
      .forEach((name) => fs.rmSync(path.join(data, name)));
    const server = await Server.start(t, data, options);
    await server.stop();
    const after = await digest(data);
    for (const [name, rows] of Object.entries(before)) {
      if (/:(bets|users|transaction_ledger)$/.test(name)) {
        assert.deepEqual(after[name], rows, `${name} after the loss of ${lost}`);
      }
    }
  }
  await mustEnd(0, tapline('verify', '--data', data), 'verify');
});

/** A start that finds the databases of another journal would find them again: no restart helps. */
test('databases_of_another_journal_are_refused_for_good', async (t) => {
  const directory = makeDirectory(t);
  const [short, long] = ['short', 'long'].map((name) => path.join(directory, name));
  const options = ['--demo'];
  const seqOf = async (client) => BigInt((await client.get('/healthz')).seq);
  let end = 0n;
  for (const data of [short, long]) {
    const server = await Server.start(t, data, options);
    const client = new Client(server.url);
    const least = end + 10n;
    await until('more records than the other journal has', async () => {
      end = await seqOf(client);
      return end > least;
    });
    client.close();
    await server.stop();
  }
  databases(long).forEach((name) => fs.rmSync(path.join(long, name)));
  databases(short).forEach((name) => {
    fs.copyFileSync(path.join(short, name), path.join(long, name));
  });
  const refused = await refusesToStart(long, options);
  assert.equal(refused.code, 74, refused.stderr);
  assert.match(refused.stderr, /another history.*delete it to rebuild it/);
  databases(long).forEach((name) => fs.rmSync(path.join(long, name)));
  await (await Server.start(t, long, options)).stop();
  await mustEnd(0, tapline('verify', '--data', long), 'verify');
});

function crc32c(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
    }
  }
  return ~crc >>> 0;
}

/** The records that begin a journal may become durable one by one, and power may go in between. */
test('a_demo_cut_off_after_its_first_record_gets_its_house', async (t) => {
  const data = path.join(makeDirectory(t), 'data');
  await (await Server.start(t, data, ['--demo'])).stop();
  // What a power cut leaves when the first record was written alone: docs/JOURNAL_FORMAT.md.
  const [{ file }] = written(data);
  const segment = fs.readFileSync(file);
  const FRAME = 4096;
  const payload = 2 + segment.readUInt16LE(FRAME + 64);
  const end = FRAME + Math.ceil((64 + payload) / 4) * 4;
  segment.writeUInt32LE(payload, FRAME + 8);
  segment.writeUInt32LE(1, FRAME + 12);
  segment.fill(0, FRAME + 64 + payload);
  segment.writeUInt32LE(crc32c(segment.subarray(FRAME + 8, end)), FRAME + 4);
  fs.writeFileSync(file, segment);
  [path.join('journal', 'HEAD'), ...databases(data)].forEach((name) => {
    fs.rmSync(path.join(data, name));
  });
  for (let life = 0; life < 2; life += 1) {
    const server = await Server.start(t, data, ['--demo']);
    const client = new Client(server.url);
    const { bankroll } = await client.get('/v1/status');
    assert.equal(bankroll, '1000000000000', `life ${life}`);
    client.close();
    await server.stop();
  }
  await mustEnd(0, tapline('verify', '--data', data), 'verify');
});
