// Every read-only command in a loop beside a server under taps: none gives a false alarm, and no
// answer of the server is other than without them.
//   AUDITS: rounds of all commands (default 3; in full 20)

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
  run,
  BINARY,
  sleep,
  tapline,
  until,
  writeMarket,
} from './harness.mjs';

const AUDITS = Number(process.env.AUDITS ?? 3);
const WALLETS = 4;

/** Taps without a pause; every answer is kept, and must be one that the interface knows. */
async function play(client, config, choices, wallet, told, alive) {
  await client.deposit(wallet.address, 1_000_000_000);
  while (alive()) {
    const grid = await client.grid();
    const cells = openCells(grid, config, 500);
    if (cells.length === 0) {
      await sleep(100);
      continue;
    }
    const { column, band } = choices.of(cells);
    const tap = signTap(wallet, client.origin, {
      column,
      band,
      stake: 100000,
      config: config.config,
      time: grid.time,
    });
    const { status, body } = await client.postTap(tap);
    told.answers += 1;
    if (status === 202) {
      told.accepted.set(body.bet, { account: wallet.address, seq: body.seq });
    } else {
      // A crowded cell, a column that closed meanwhile: a refusal, never a failure.
      assert.ok(status < 500, `${status} ${JSON.stringify(body)}`);
      assert.ok(body.error.code, JSON.stringify(body));
    }
    await sleep(20);
  }
}

async function json(expected, ...args) {
  const ended = await tapline(...args, '--json');
  assert.ok(
    expected.includes(ended.code),
    `${args.join(' ')}: exit ${ended.code}\n${ended.stdout.slice(-2000)}\n${ended.stderr}`,
  );
  return JSON.parse(ended.stdout);
}

async function audit(directory, data, account, market) {
  const verified = await json([0], 'verify', '--data', data, '--signatures');
  assert.equal(verified.result, 'good');

  const told = path.join(directory, 'explained.jsonl');
  await mustEnd(
    0,
    run(BINARY, ['explain', '--data', data, '--all', '--json'], { to: told }),
    'explain --all',
  );
  const stories = fs.readFileSync(told, 'utf8').split('\n').filter(Boolean);
  for (const line of stories) {
    const story = JSON.parse(line);
    assert.equal(story.recomputed, 'equal');
    assert.equal(story.tap.signature, 'good');
  }

  const events = await tapline('inspect', '--data', data, '--events', '--json');
  assert.equal(events.code, 0, events.stderr);
  assert.equal(events.stderr, '');
  const records = events.stdout.split('\n').filter(Boolean).length;

  const now = await json([0], 'account', '--data', data, '--account', account);
  const middle = String(Math.floor(records / 2));
  const then = await json([0], 'account', '--data', data, '--account', account, '--at', middle);
  assert.equal(then.seq, middle);
  assert.ok(BigInt(now.seq) >= BigInt(records));

  const other = await json([0], 'whatif', '--data', data, '--market', market);
  assert.deepEqual(other.changed, ['edge_bp']);

  // The two looks at one growing journal end at different records.
  const self = await json([0, 1], 'diff', data, data);
  assert.ok(['equal', 'a_is_prefix', 'b_is_prefix'].includes(self.result), self.result);
  assert.equal(self.a.status, 'good');
  assert.equal(self.b.status, 'good');
  return stories.length;
}

/** An auditor can look at any time, and nobody notices. */
test('auditing_beside_a_server_alarms_nobody', async (t) => {
  const directory = makeDirectory(t);
  const data = path.join(directory, 'data');
  const file = writeMarket(directory, { column_ms: 1000, columns: 30 });
  const server = await Server.start(t, data, ['--demo', '--market', file]);
  const market = path.join(directory, 'other.ini');
  fs.writeFileSync(market, '[market]\nedge_bp = 1000\n');
  const client = new Client(server.url);
  await until(
    'the breaker is HEALTHY',
    async () => (await client.get('/v1/status')).breaker === 'HEALTHY',
  );
  const config = await client.settledConfig();
  const wallets = Array.from({ length: WALLETS }, (_, i) => makeWallet('audit', i));
  const told = { answers: 0, accepted: new Map() };
  let alive = true;
  const playing = Promise.all(
    wallets.map((wallet, i) =>
      play(client, config, new Choices(i + 1), wallet, told, () => alive),
    ),
  );
  playing.catch(() => {});
  await until('some bets', async () => told.accepted.size >= 10);
  let stories = 0;
  for (let round = 0; round < AUDITS; round += 1) {
    const before = stories;
    stories = await audit(directory, data, wallets[0].address, market);
    assert.ok(stories > before, 'bets went on during the audit');
  }
  alive = false;
  await playing;
  await until(
    'every bet is closed',
    async () => {
      const accounts = await Promise.all(wallets.map((w) => client.account(w.address)));
      return accounts.every((a) => a.open_bets === '0');
    },
    { within: 120000, every: 500 },
  );
  for (const [bet, { account, seq }] of told.accepted) {
    const shown = await client.get(`/v1/bets/${bet}`);
    assert.deepEqual([shown.account, shown.accepted_seq], [account, seq]);
  }
  client.close();
  await server.stop();
  assert.doesNotMatch(server.stderr, /ALARM|diverge|damaged/);
  await judge(directory, data, { signatures: 20 });
  t.diagnostic(`${told.answers} answers, ${told.accepted.size} accepted, ${AUDITS} audits`);
});
