// The change of the week under load, and a kill -9 right at it. The server's clock is that of a
// feed that is made here: Monday 00:00 UTC comes some seconds after the start. `tapline verify` runs
// beside the server all the time and must never raise a false alarm.
//   CHECKS: how many verifications at least (default 20)      SEED: of the taps

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Choices, Client, makeWallet, openCells, signTap } from './client/client.mjs';
import {
  Server,
  judge,
  makeDirectory,
  mustEnd,
  sleep,
  tapline,
  until,
  writeMarket,
} from './harness.mjs';

const CHECKS = Number(process.env.CHECKS ?? 20);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const BORDER_MS = Date.UTC(2025, 5, 9); // Monday, the first day of 2025-W24
const FILES = ['bets_2025_w23.db', 'bets_2025_w24.db'];
const WALLETS = 8;
const LEAD_MS = 20000; // of the first feed before the border

/** A feed of one source with ten books a second, wandering by some dollars. */
function writeFeed(file, fromMs, toMs, choices) {
  const lines = ['recv_ns,src,kind,exch_trade_ms,exch_event_ms,price_or_bid_e4,ask_e4,qty_or_update_id'];
  let price = 620000000;
  for (let at = fromMs; at <= toMs; at += 100) {
    price += (choices.below(41) - 20) * 1000;
    lines.push(`${at}000000,made-up,B,,,${price},${price + 1000},${at - fromMs}`);
  }
  fs.writeFileSync(file, `${lines.join('\n')}\n`);
  return `replay:${file}`;
}

async function isHealthy(client) {
  return until(
    'the breaker is HEALTHY',
    async () => (await client.get('/v1/status')).breaker === 'HEALTHY',
  );
}

/** Taps until `alive` says no; keeps what was accepted. */
async function play(client, wallet, i, accepted, choices, alive) {
  const socket = i % 2 ? await client.socket({}) : null;
  while (alive()) {
    try {
      const deposit = await client.deposit(wallet.address, 4_000_000);
      accepted.deposits.push(deposit.seq);
      const config = await client.settledConfig();
      const cells = openCells(await client.grid(), config, 500);
      const time = await client.time();
      const taps = Array.from({ length: cells.length ? 16 : 0 }, () => {
        const { column, band } = choices.of(cells);
        return signTap(wallet, client.origin, {
          column,
          band,
          stake: 100000,
          config: config.config,
          time,
        });
      });
      await Promise.all(
        taps.map(async (tap) => {
          const answer = socket
            ? (await socket.op('tap', tap)).result
            : (await client.postTap(tap)).body;
          if (answer && !answer.error) {
            accepted.bets.set(answer.bet, { seq: answer.seq, account: wallet.address });
          }
        }),
      );
    } catch (error) {
      if (alive()) {
        throw error;
      }
    }
  }
  socket?.terminate();
}

/** Verifies over and over beside the server. */
async function verifyAlways(data, checks, alive) {
  while (alive()) {
    const ended = await tapline('verify', '--data', data, '--json');
    assert.equal(ended.code, 0, `a false alarm:\n${ended.stdout}\n${ended.stderr}`);
    const result = JSON.parse(ended.stdout);
    checks.push({ seq: Number(result.sqlite_seq ?? 0), rows: Number(result.sqlite_rows) });
    await sleep(50);
  }
}

/** Small pages, newest first. */
async function pages(client, path, field, limit) {
  const all = [];
  for (let before = ''; before !== null; ) {
    const page = await client.get(`${path}?limit=${limit}${before}`);
    all.push(...page[field]);
    before = page.next === null ? null : `&before=${page.next}`;
  }
  return all;
}

/** Every page of an account's bets and ledger rows, across both weeks. */
async function checkPages(client, wallet, accepted) {
  const bets = await pages(client, `/v1/accounts/${wallet.address}/bets`, 'bets', 37);
  const ids = bets.map((bet) => BigInt(bet.bet));
  for (let i = 1; i < ids.length; i += 1) {
    assert.ok(ids[i] < ids[i - 1], 'newest first, each once');
  }
  const shown = new Set(bets.map((bet) => bet.bet));
  for (const [bet, told] of accepted.bets) {
    assert.equal(told.account !== wallet.address || shown.has(bet), true, `bet ${bet} is lost`);
  }
  const rows = await pages(client, `/v1/accounts/${wallet.address}/ledger`, 'rows', 41);
  let sum = 0n;
  for (let i = rows.length - 1; i >= 0; i -= 1) {
    sum += BigInt(rows[i].amount);
    assert.equal(BigInt(rows[i].balance_after), sum, `row ${rows[i].seq}/${rows[i].line}`);
    assert.notEqual(rows[i].ref_type, 'OPENING');
  }
  assert.equal((await client.account(wallet.address)).available, String(sum));
  const before = bets.filter((bet) => Number(bet.accepted_at) < BORDER_MS);
  const across = before.filter((bet) => Number(bet.settled_at) >= BORDER_MS);
  return { before: before.length, across: across.length, after: bets.length - before.length };
}

/** The life of one server: taps and verifications at once, until `end` comes. */
async function live(client, data, wallets, accepted, checks, choices, end) {
  let alive = true;
  const players = wallets.map((wallet, i) =>
    play(client, wallet, i, accepted, choices, () => alive),
  );
  const verifier = verifyAlways(data, checks, () => alive);
  const all = Promise.all([...players, verifier]);
  all.catch(() => {});
  try {
    const stop = () => {
      alive = false;
    };
    await Promise.race([end(stop), all]);
  } finally {
    alive = false;
  }
  return all;
}

/** No bet, no row and no micro-dollar is lost or doubled where one week becomes the next. */
test('a_week_changes_under_load_and_a_kill', async (t) => {
  t.diagnostic(`SEED=${SEED}`);
  const choices = new Choices(SEED);
  const directory = makeDirectory(t);
  const data = path.join(directory, 'data');
  const market = writeMarket(directory, { column_ms: 1000, columns: 20, open_bets_max: 1000 });
  const wallets = Array.from({ length: WALLETS }, (_, i) => makeWallet('week', i));
  const accepted = { bets: new Map(), deposits: [] };
  const checks = [];
  const options = ['--demo', '--market', market, '--feed'];

  const first = writeFeed(
    path.join(directory, 'first.csv'),
    BORDER_MS - LEAD_MS,
    BORDER_MS + 60000,
    choices,
  );
  const server = await Server.start(t, data, [...options, first]);
  let client = new Client(server.url);
  await isHealthy(client);
  await live(client, data, wallets, accepted, checks, choices, async (stop) => {
    await until('the border', async () => Number(await client.time()) >= BORDER_MS - 40, {
      every: 5,
    });
    await sleep(choices.below(90));
    stop();
    await server.kill();
  });
  client.close();
  const early = accepted.bets.size;
  const resumed = BORDER_MS + 300;

  const second = writeFeed(path.join(directory, 'second.csv'), resumed, resumed + 120000, choices);
  const again = await Server.start(t, data, [...options, second]);
  client = new Client(again.url);
  await isHealthy(client);
  await live(client, data, wallets, accepted, checks, choices, () =>
    until('verifications', () => checks.length >= CHECKS && accepted.bets.size > early + 500, {
      within: 90000,
    }),
  );
  await until(
    'every bet is closed',
    async () => {
      const accounts = await Promise.all(wallets.map((w) => client.account(w.address)));
      return accounts.every((a) => a.open_bets === '0');
    },
    { within: 60000, every: 200 },
  );
  const counts = { before: 0, across: 0, after: 0 };
  for (const wallet of wallets) {
    const seen = await checkPages(client, wallet, accepted);
    for (const name of Object.keys(counts)) {
      counts[name] += seen[name];
    }
  }
  client.close();
  await again.stop();
  t.diagnostic(`${checks.length} verifications, bets ${JSON.stringify(counts)}`);
  assert.ok(counts.before > 0 && counts.across > 0 && counts.after > 0, 'bets on both sides');
  assert.ok(checks.length >= CHECKS);
  assert.ok(checks.some((check) => check.rows > 0));
  for (const file of FILES) {
    assert.ok(fs.existsSync(path.join(data, file)), file);
  }
  const ended = await mustEnd(0, tapline('verify', '--data', data, '--json'), 'verify');
  assert.equal(JSON.parse(ended.stdout).sqlite_missing_files, '0');
  const { state } = await judge(directory, data, { signatures: 20 });
  for (const [bet, told] of accepted.bets) {
    assert.equal(state.bets[bet].accepted_seq, told.seq);
  }
});
