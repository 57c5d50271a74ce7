// A day with an operator in it: transfers, goodwill, new configurations, a new band width, a crash
// that a column does not survive. Players tap all the time, and the oracle follows every record.

import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { Choices, Client, makeWallet, openCells, signTap } from './client/client.mjs';
import {
  Server,
  judge,
  makeDirectory,
  mustEnd,
  oracle,
  sleep,
  tapline,
  until,
  writeMarket,
} from './harness.mjs';

const WALLETS = 5;
const USD = 1_000_000;

class Day {
  constructor(t) {
    this.directory = makeDirectory(t);
    this.data = path.join(this.directory, 'data');
    this.choices = new Choices(7);
    this.wallets = Array.from({ length: WALLETS }, (_, i) => makeWallet('operator', i));
    this.codes = new Map(); // how often each refusal was seen
  }

  async open(t) {
    this.market = writeMarket(this.directory, { column_ms: 1000, columns: 20, min_lead_ms: 2000 });
    this.server = await Server.start(t, this.data, ['--demo', '--market', this.market]);
    this.client = new Client(this.server.url);
    await this.client.settledConfig();
    await until('HEALTHY', async () => (await this.client.get('/v1/status')).breaker === 'HEALTHY');
  }

  /** `tapline admin` with its answer: {seq} or {error}. */
  async admin(...args) {
    const ended = await tapline('admin', '--socket', path.join(this.data, 'admin.sock'), ...args);
    const lines = `${ended.stdout}\n${ended.stderr}`
      .split('\n')
      .filter((line) => line.startsWith('{'));
    assert.equal(lines.length, 1, `admin ${args.join(' ')}: ${ended.stdout}${ended.stderr}`);
    const answer = JSON.parse(lines[0]);
    assert.equal(ended.code === 0, answer.error === undefined, JSON.stringify(answer));
    return answer;
  }

  async refused(code, ...args) {
    const { error } = await this.admin(...args);
    assert.equal(error?.code, code, args.join(' '));
  }

  async accepted(...args) {
    const { seq } = await this.admin(...args);
    assert.match(seq ?? '', /^[1-9]\d*$/, args.join(' '));
    return seq;
  }

  /** Every wallet taps until `during` is over. */
  async tapWhile(during) {
    let over = false;
    const config = await this.client.settledConfig();
    const tapping = Promise.all(
      this.wallets.map(async (wallet) => {
        while (!over) {
          const grid = await this.client.grid();
          const cells = openCells(grid, config, 200);
          if (cells.length) {
            const { column, band } = this.choices.of(cells);
            const { body } = await this.client.postTap(
              signTap(wallet, this.client.origin, {
                column,
                band,
                stake: 100000 + this.choices.below(900000),
                config: grid.config,
                time: grid.time,
              }),
            );
            if (body.error) {
              this.codes.set(body.error.code, (this.codes.get(body.error.code) ?? 0) + 1);
            }
          }
          await sleep(10);
        }
      }),
    );
    try {
      await during();
    } finally {
      over = true;
      await tapping;
    }
  }

  /** A Config record with some keys of its own. */
  configure(keys) {
    const file = writeMarket(this.directory, keys);
    return this.admin('config', file);
  }
}

async function transfers(day) {
  const [a, b] = day.wallets.map((wallet) => wallet.address);
  for (const wallet of day.wallets) {
    await day.accepted(
      'deposit',
      '--account',
      wallet.address,
      '--amount',
      String(1000 * USD),
      '--ref',
      `open-${wallet.address.slice(2, 10)}`,
    );
  }
  const first = await day.accepted('deposit', '--account', a, '--amount', '5', '--ref', 'once');
  const again = await day.admin('deposit', '--account', a, '--amount', '5', '--ref', 'once');
  assert.equal(again.error, undefined, 'the same transfer again has no effect');
  assert.ok(Number(again.seq) >= Number(first));
  await day.refused('NONCE_REUSED', 'deposit', '--account', b, '--amount', '5', '--ref', 'once');
  await day.refused(
    'LIMIT',
    'deposit',
    '--account',
    a,
    '--amount',
    '1000000000000001',
    '--ref',
    'much',
  );
  await day.accepted('withdraw', '--account', a, '--amount', '5', '--ref', 'back');
  await day.refused(
    'INSUFFICIENT_FUNDS',
    'withdraw',
    '--account',
    a,
    '--amount',
    '900000000000',
    '--ref',
    'more',
  );
  await day.accepted('deposit', '--house', '--amount', '7', '--ref', 'house');
  await day.accepted('withdraw', '--house', '--amount', '7', '--ref', 'house back');
  await day.refused(
    'INSUFFICIENT_FUNDS',
    'withdraw',
    '--house',
    '--amount',
    '900000000000000',
    '--ref',
    'all',
  );
  await day.accepted('goodwill', '--account', b, '--amount', '3', '--ref', 'sorry');
  await day.refused(
    'NOT_FOUND',
    'goodwill',
    '--account',
    makeWallet('operator', 99).address,
    '--amount',
    '3',
    '--ref',
    'nobody',
  );
}

async function configurations(day) {
  const taken = async (keys) => assert.equal((await day.configure(keys)).error, undefined);
  await day.tapWhile(async () => {
    await sleep(700);
    await taken({ edge_bp: 700 }); // taps that wait are rejected
    await sleep(700);
    await taken({ band_e4: 400000, skew_bp: 1500, cell_payout_max: 60 * USD });
    await sleep(500);
    const early = await day.configure({ band_e4: 100000 });
    assert.ok(early.error, 'a second band width waits for the first');
    const fixed = await day.configure({ column_ms: 2000 });
    assert.ok(fixed.error, 'column_ms is fixed');
    await sleep(25000); // the new width is in force, for columns on offer too
    await taken({ band_e4: 150000, columns: 8, column_loss_max: 20 * USD });
    await sleep(12000);
  });
}

/** A crash longer than a column: whoever had a bet in it gets the stake back by rule. */
async function crash(t, day) {
  await day.server.kill();
  day.client.close();
  await sleep(4500);
  day.server = await Server.start(t, day.data, ['--demo']);
  day.client = new Client(day.server.url);
  await until('HEALTHY', async () => (await day.client.get('/v1/status')).breaker === 'HEALTHY');
  await day.tapWhile(() => sleep(2000));
}

/** Nothing an operator or a crash does escapes the rules. */
test('an_operated_day_with_a_crash_is_what_the_oracle_says', async (t) => {
  const day = new Day(t);
  await day.open(t);
  await transfers(day);
  await configurations(day);
  await crash(t, day);
  await until('every bet is closed', async () => {
    const accounts = await Promise.all(day.wallets.map((w) => day.client.account(w.address)));
    return accounts.every((account) => account.open_bets === '0');
  });
  const accounts = await Promise.all(day.wallets.map((w) => day.client.account(w.address)));
  day.client.close();
  await day.server.stop();
  t.diagnostic(`refused: ${[...day.codes].map((entry) => entry.join(' ')).join(', ')}`);
  const { counts, state, file } = await judge(day.directory, day.data);
  t.diagnostic(
    counts
      .trim()
      .split(/\s*\n\s*/)
      .join('; '),
  );
  for (const { account, available, held } of accounts) {
    assert.deepEqual(
      [available, held],
      [state.accounts[account].available, state.accounts[account].held],
    );
  }
  for (const label of [
    'bet:rejected CONFIG_CHANGED',
    'bet:settled void DOWN',
    'bet:settled won',
    'bet:rejected EXPOSURE',
    'posting GOODWILL',
    'posting HOUSE_WITHDRAWAL',
  ]) {
    assert.ok(counts.includes(label), `the day has no ${label}`);
  }
  assert.equal(state.config, '4', 'three configurations were taken after the first');
  await mustEnd(0, oracle('database', file, '--data', day.data), 'the SQLite files');
  await mustEnd(0, tapline('verify', '--data', day.data, '--signatures'), 'verify');
});
