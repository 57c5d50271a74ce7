// A market day in a minute: wallets tap over HTTP and WebSocket on recorded prices until the
// recording ends and everything is settled. Then every number anybody was shown must be the
// oracle's.   SPEED: how fast the recording runs (default 5)      TAPS: at least so many (default
// 500)

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
  oracle,
  sharedFile,
  sleep,
  tapline,
  until,
  writeMarket,
} from './harness.mjs';

const SPEED = Number(process.env.SPEED ?? 5);
const TAPS = Number(process.env.TAPS ?? 500);
const WALLETS = 8;
const DEPOSIT = 1_000_000_000;
const STAKES = [100000, 250000, 1234567, 5000000];
// A column that nobody was there to settle may be shown without the price of what ticks there are.
const WITHOUT_PRICE = ['DOWN', 'NO_TICKS'];

/** Every field of ours equals theirs; theirs may have more. */
function sameFields(mine, theirs, where) {
  for (const [name, value] of Object.entries(mine)) {
    const free =
      theirs[name] === null &&
      ((['tick', 'price'].includes(name) && mine.state === 'rejected') ||
        (['settle_price', 'price', 'band'].includes(name) && WITHOUT_PRICE.includes(mine.reason)));
    if (name === 'ticks') {
      assert.equal(theirs.ticks.length, 5, `${where}.ticks`);
      value.forEach((tick, i) => {
        const fixed = tick.price === null ? { time: tick.time, price: null } : tick;
        sameFields(fixed, theirs.ticks[i], `${where}.ticks[${i}]`);
      });
    } else if (!free) {
      assert.deepEqual(theirs[name], value, `${where}.${name}`);
    }
  }
}

class Player {
  static async enter(client, index) {
    const player = new Player();
    player.wallet = makeWallet('journey', index);
    player.account = player.wallet.address;
    player.overWs = index % 2 === 1;
    player.socket = await client.socket();
    await player.socket.authenticate(player.wallet);
    await player.socket.resume(0);
    await client.deposit(player.account, DEPOSIT, `journey-${index}`);
    player.answers = [];
    return player;
  }

  /** Signs and places one tap; the answer of either way in one shape. */
  async tap(client, fields) {
    const body = signTap(this.wallet, client.origin, fields);
    let answer;
    if (this.overWs) {
      const reply = await this.socket.op('tap', body);
      answer = reply.type === 'reply' ? { result: reply.result } : { error: reply.error };
    } else {
      const reply = await client.postTap(body);
      answer = reply.body.error ? { error: reply.body.error } : { result: reply.body };
    }
    answer.body = body;
    this.answers.push(answer);
    return answer;
  }
}

/** Taps until the recording is over; returns how many were accepted. */
async function play(client, config, players) {
  const choices = new Choices(20240808);
  let accepted = 0;
  let silent = 0;
  while (silent < 5) {
    const grid = await client.grid();
    const cells = openCells(grid, config, 1000);
    silent = grid.breaker === 'HEALTHY' ? 0 : silent + 1;
    const taps = players.map(async (player, i) => {
      if (cells.length === 0) {
        return;
      }
      const cell = choices.of(cells);
      const kind = choices.below(10);
      const fields = {
        column: cell.column,
        band: cell.band,
        stake: choices.of(STAKES),
        config: config.config,
        time: grid.time,
      };
      // Most ask for a little less than what they see, some for exactly it, a few for more.
      fields.min_mult = Math.max(
        100,
        Math.floor(Number(cell.mult) * (kind < 8 ? 0.8 : kind < 9 ? 1 : 1.2)),
      );
      fields.min_mult = Math.min(fields.min_mult, 5000);
      const answer = await player.tap(client, fields);
      accepted += answer.result ? 1 : 0;
      if (i === 0 && kind === 0 && answer.result) {
        const again = await client.postTap(answer.body);
        assert.equal(again.status, 200, 'the same tap once more');
        assert.equal(again.body.bet, answer.result.bet);
      }
    });
    await Promise.all(taps);
    await sleep(150);
  }
  return accepted;
}

async function collect(client, players, columns) {
  const seen = { accounts: {}, bets: {}, single: {}, byNonce: {}, ledger: {}, columns: {} };
  for (const { account, answers } of players) {
    seen.accounts[account] = await client.account(account);
    seen.bets[account] = await client.pages(`/v1/accounts/${account}/bets`, 'bets');
    seen.ledger[account] = await client.pages(`/v1/accounts/${account}/ledger`, 'rows');
    for (const { body } of answers.filter((a) => a.result).slice(0, 20)) {
      seen.byNonce[body.nonce] = await client.get(`/v1/bets/by-nonce/${account}/${body.nonce}`);
      const { bet } = seen.byNonce[body.nonce];
      seen.single[bet] = await client.get(`/v1/bets/${bet}`);
    }
  }
  for (const column of columns) {
    seen.columns[column] = await client.get(`/v1/columns/${column}`);
  }
  return seen;
}

function checkAnswers(state, players, seen) {
  for (const { account, answers } of players) {
    const { id, ...expected } = state.accounts[account];
    sameFields(expected, seen.accounts[account], `account ${account} (user ${id})`);
    const bets = Object.values(state.bets).filter((bet) => bet.account === account);
    assert.deepEqual(
      seen.bets[account].map((bet) => bet.bet),
      bets.map((bet) => bet.bet),
      'bets listed',
    );
    seen.bets[account].forEach((bet, i) => sameFields(bets[i], bet, `bet ${bet.bet}`));
    assert.deepEqual(
      seen.ledger[account].map(({ seq, line, at, amount, balance_after, ref_type, ref_id }) => ({
        seq,
        line,
        at,
        amount,
        balance_after,
        ref_type,
        ref_id,
      })),
      state.ledger[account],
      `ledger of ${account}`,
    );
    for (const { result, error, body } of answers) {
      const id = result?.bet ?? error?.bet;
      if (id !== undefined) {
        assert.equal(state.bets[id].nonce, body.nonce, `bet ${id}`);
        assert.equal(result?.seq ?? error.seq, id, 'the id of a bet is its seq');
      }
    }
  }
  for (const [nonce, bet] of Object.entries(seen.byNonce)) {
    assert.equal(bet.nonce, nonce);
  }
  for (const [id, bet] of Object.entries(seen.single)) {
    sameFields(state.bets[id], bet, `bet ${id}`);
  }
  for (const [column, shown] of Object.entries(seen.columns)) {
    sameFields(state.columns[column], shown, `column ${column}`);
  }
}

const keyOf = (event) => `${event.seq} ${event.type} ${event.bet ?? ''}`;

/** What came over a socket's account channel is what the oracle says, each event once. */
function checkEvents(expected, events, where) {
  const mine = new Map(expected.map((event) => [keyOf(event), event]));
  const theirs = new Map();
  let n = 0;
  let seq = 0;
  for (const event of events.filter((e) => e.channel === 'account')) {
    n += 1;
    assert.equal(event.n, n, `${where}: n rises by one`);
    if (event.type === 'account:snapshot') {
      continue;
    }
    assert.ok(Number(event.seq) >= seq, `${where}: seq never falls`);
    seq = Number(event.seq);
    assert.ok(!theirs.has(keyOf(event)), `${where}: ${keyOf(event)} came twice`);
    theirs.set(keyOf(event), event);
  }
  for (const [key, event] of mine) {
    assert.ok(theirs.has(key), `${where}: ${key} never came`);
    sameFields(event, theirs.get(key), `${where}: ${key}`);
  }
  assert.equal(theirs.size, mine.size, `${where}: nothing besides`);
}

async function journey(t, feed, market) {
  const directory = makeDirectory(t);
  const data = path.join(directory, 'data');
  const log = fs.createWriteStream(path.join(directory, 'client.jsonl'));
  const server = await Server.start(t, data, [
    '--demo',
    '--feed',
    feed,
    '--market',
    writeMarket(directory, market),
  ]);
  const client = new Client(server.url, { log });
  const config = await client.settledConfig();
  const watcher = await client.socket();
  await watcher.subscribe('columns');
  await watcher.subscribe('index');
  const players = [];
  for (let i = 0; i < WALLETS; i += 1) {
    players.push(await Player.enter(client, i));
  }
  await until(
    'the breaker is HEALTHY',
    async () => (await client.get('/v1/status')).breaker === 'HEALTHY',
  );
  const accepted = await play(client, config, players);
  t.diagnostic(`${accepted} taps accepted`);
  assert.ok(accepted >= TAPS, `only ${accepted} taps were accepted`);

  await until(
    'every bet is closed',
    async () => {
      const accounts = await Promise.all(players.map((p) => client.account(p.account)));
      return accounts.every((a) => a.open_bets === '0' && a.held === '0');
    },
    { within: 240000, every: 500 },
  );
  await sleep(500); // the last events are on their way
  const columns = new Set();
  for (const player of players) {
    const bets = await client.pages(`/v1/accounts/${player.account}/bets`, 'bets');
    bets.filter((bet) => bet.settled_seq !== null).forEach((bet) => columns.add(bet.column));
  }
  const seen = await collect(client, players, columns);
  const { text: metrics } = await client.request('GET', '/metrics');
  const replayed = await client.socket();
  await replayed.authenticate(players[0].wallet);
  await replayed.resume(0);
  await sleep(500);
  await Promise.all(
    [watcher, replayed, ...players.map((p) => p.socket)].map((socket) => socket.close()),
  );
  client.close();
  await server.stop();
  log.end();

  const { records, counts, state, file } = await judge(directory, data);
  t.diagnostic(
    counts
      .trim()
      .split(/\s*\n\s*/)
      .join('; '),
  );
  checkAnswers(state, players, seen);
  for (const { account, socket } of players) {
    checkEvents(state.events[account], socket.events, account);
  }
  if (!replayed.events.some((event) => event.type === 'account:snapshot')) {
    checkEvents(state.events[players[0].account], replayed.events, 'replayed');
  }
  const confirmed = Object.values(state.bets).filter((bet) => bet.mult !== null).length;
  assert.match(metrics, new RegExp(`^tapline_confirm_seconds_count ${confirmed}$`, 'm'));
  const settled = watcher.events.filter((e) => e.type === 'column:settled');
  assert.ok(settled.length > 0, 'columns are told');
  settled.forEach((event) =>
    sameFields(state.columns[event.column], event, `column ${event.column}`),
  );
  columns.forEach((column) =>
    assert.ok(
      settled.some((e) => e.column === column),
      `column ${column} told`,
    ),
  );
  const ticks = new Map(records.filter((r) => r.kind === 'price_tick').map((r) => [r.grid, r]));
  for (const event of watcher.events.filter((e) => e.type === 'index:tick' && e.price !== null)) {
    const { price, sources, spread, seq } = ticks.get(event.tick);
    assert.deepEqual(
      [event.price, event.sources, event.spread, event.seq],
      [price, sources, spread, seq],
    );
  }
  await mustEnd(0, oracle('database', file, '--data', data), 'the SQLite files');
  await mustEnd(0, tapline('verify', '--data', data, '--signatures'), 'verify');
  return { state, counts };
}

/** One source's raw frames, one band of $20 and the default limits of the house. */
test('a_journey_on_recorded_frames_is_what_the_oracle_says', async (t) => {
  const file = sharedFile(t, 'data/binance_spot_btcusdt_20240808_frames.gz');
  if (file) {
    const { counts } = await journey(t, `replay:${file},speed=${SPEED},shift=now`, {});
    for (const label of ['bet:settled won', 'bet:settled lost', 'bet:rejected PRICE_MOVED']) {
      assert.ok(counts.includes(label), `the journey has no ${label}`);
    }
  }
});

/** Three sources with a basis between them, and a small band so that many cells are played. */
test('a_journey_on_three_sources_is_what_the_oracle_says', async (t) => {
  const file = sharedFile(t, 'data/binance_btc_3src_20240808.csv');
  if (file) {
    const market = {
      quorum: 2,
      band_e4: 100000,
      bands: 41,
      cell_payout_max: 30000000,
      skew_bp: 2000,
    };
    const { state } = await journey(t, `replay:${file},speed=${SPEED},shift=now`, market);
    assert.ok(Object.keys(state.bets).length >= TAPS);
  }
});
