// Races for the same money: 64 taps at one time on a balance for one, and one tap 20 times at one
// time.   ROUNDS: how many (default 1,000; the full count is 10,000)
// A signature costs this client about 0.3 ms, 64 distinct nonces a round are needed (the same nonce
// would be recognised), and rounds overlap so that signing and waiting share the time.

import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { Client, makeWallet, openCells, signTap } from './client/client.mjs';
import { Server, judge, makeDirectory, mustEnd, tapline, until, writeMarket } from './harness.mjs';

const ROUNDS = Number(process.env.ROUNDS ?? 1000);
const TAPS = 64;
const COPIES = 20;
const LANES = 4; // rounds at one time
const STAKE = 100000;

async function begin(t) {
  const directory = makeDirectory(t);
  const data = path.join(directory, 'data');
  // The hold must outlast the round: a bet is priced, and maybe released, only after two seconds.
  const market = writeMarket(directory, { pricing_delay_ms: 2000, columns: 30 });
  const server = await Server.start(t, data, ['--demo', '--market', market]);
  const client = new Client(server.url, { sockets: TAPS * LANES });
  const config = await client.settledConfig();
  await until(
    'the breaker is HEALTHY',
    async () => (await client.get('/v1/status')).breaker === 'HEALTHY',
  );
  const sockets = [];
  for (let i = 0; i < 8; i += 1) {
    sockets.push(await client.socket());
  }
  return { directory, data, server, client, config, sockets };
}

/** Fresh cells, so that no column closes under a round; they are asked for once a second. */
class Cells {
  constructor(world) {
    this.world = world;
    this.taken = 0;
  }

  async current() {
    if (Date.now() - this.taken > 1000) {
      this.taken = Date.now();
      this.reading = this.world.client
        .grid()
        .then((grid) => ({ time: grid.time, cells: openCells(grid, this.world.config, 10000) }));
    }
    return this.reading;
  }
}

/** A wallet with money for one bet and `count` different taps that it signed. */
async function prepare(world, cells, name, count) {
  const wallet = makeWallet('race', name);
  await world.client.deposit(wallet.address, STAKE);
  const { time, cells: open } = await cells.current();
  assert.ok(open.length >= 16, 'the grid offers cells');
  const taps = [];
  for (let i = 0; i < count; i += 1) {
    const { column, band } = open[i % open.length];
    taps.push(
      signTap(wallet, world.client.origin, {
        column,
        band,
        stake: STAKE,
        config: world.config.config,
        time,
      }),
    );
  }
  return { wallet, taps };
}

/** Places taps at one time, every second one over a WebSocket. */
function fire(world, taps) {
  return Promise.all(
    taps.map(async (tap, i) => {
      if (i % 2 === 0) {
        const { status, body } = await world.client.postTap(tap);
        return body.error ? { error: body.error } : { status, result: body };
      }
      const reply = await world.sockets[(i >> 1) % world.sockets.length].op('tap', tap);
      return reply.type === 'reply' ? { result: reply.result } : { error: reply.error };
    }),
  );
}

async function end(world) {
  await Promise.all(world.sockets.map((socket) => socket.close()));
  world.client.close();
  await world.server.stop();
  const judged = await judge(world.directory, world.data, { signatures: 20 });
  await mustEnd(0, tapline('verify', '--data', world.data), 'verify');
  return judged;
}

/** Money for one bet is never held twice, whatever the order of arrival. */
test('of_64_parallel_taps_on_money_for_one_exactly_one_is_accepted', async (t) => {
  const world = await begin(t);
  const cells = new Cells(world);
  const winners = [];
  let next = 0;
  const lane = async () => {
    while (next < ROUNDS) {
      const round = next;
      next += 1;
      const { wallet, taps } = await prepare(world, cells, `round-${round}`, TAPS);
      const answers = await fire(world, taps);
      const accepted = answers.filter((answer) => answer.result);
      assert.equal(accepted.length, 1, `round ${round}: ${JSON.stringify(answers.slice(0, 4))}`);
      for (const { error } of answers.filter((answer) => answer.error)) {
        assert.ok(['INSUFFICIENT_FUNDS', 'CELL_TAKEN'].includes(error.code), JSON.stringify(error));
      }
      const account = await world.client.account(wallet.address);
      assert.equal(Number(account.available) + Number(account.held), STAKE, `round ${round}`);
      assert.equal(account.held, String(STAKE), `round ${round}`);
      winners.push({ account: wallet.address, bet: accepted[0].result.bet });
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  const { state } = await end(world);
  const held = new Map();
  for (const bet of Object.values(state.bets).filter((b) => b.accepted_seq !== null)) {
    held.set(bet.account, [...(held.get(bet.account) ?? []), bet.bet]);
  }
  assert.equal(winners.length, ROUNDS);
  for (const { account, bet } of winners) {
    assert.deepEqual(held.get(account), [bet]);
  }
});

/** A tap that is sent again before its answer came is the same bet, and everybody hears the same.
 * */
test('one_tap_sent_20_times_in_parallel_is_one_bet', async (t) => {
  const world = await begin(t);
  const cells = new Cells(world);
  for (let round = 0; round < Math.max(20, ROUNDS / 50); round += 1) {
    const {
      taps: [tap],
    } = await prepare(world, cells, `copy-${round}`, 1);
    const answers = await fire(
      world,
      Array.from({ length: COPIES }, () => tap),
    );
    const bets = new Set(answers.map((answer) => answer.result?.bet));
    assert.equal(bets.size, 1, JSON.stringify(answers));
    assert.ok(!bets.has(undefined), JSON.stringify(answers));
    const states = new Set(answers.map((answer) => answer.result.state));
    assert.deepEqual([...states], ['accepted']);
  }
  const { records } = await end(world);
  const taps = records.filter((r) => r.kind === 'tap');
  const made = new Set(
    taps.filter((r) => r.events.some((e) => e.type === 'bet:accepted')).map((r) => r.account),
  );
  assert.equal(made.size, Math.max(20, ROUNDS / 50));
});
