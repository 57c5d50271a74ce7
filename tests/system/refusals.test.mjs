// Every refusal that can be provoked from outside: its code, status, id and retry are those of the
// interface, and a refused request did nothing: no record, no money moved, no nonce burned.

import assert from 'node:assert/strict';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';
import { Client, makeNonce, makeWallet, openCells, signTap, tapText } from './client/client.mjs';
import {
  Server,
  freePort,
  inspect,
  judge,
  makeDirectory,
  sleep,
  until,
  writeMarket,
} from './harness.mjs';

const CODES = {
  // code: [status, id, retry]
  BAD_REQUEST: [400, 1001, 'never'],
  BAD_SIGNATURE: [401, 1002, 'never'],
  SIGNER_UNSUPPORTED: [422, 1003, 'never'],
  TIME_SKEW: [400, 1004, 'new_quote'],
  NONCE_REUSED: [409, 1005, 'never'],
  NOT_FOUND: [404, 1008, 'never'],
  RATE_LIMITED: [429, 1009, 'same'],
  INSUFFICIENT_FUNDS: [402, 1201, 'never'],
  LIMIT: [422, 1202, 'never'],
  CELL_CLOSED: [409, 1203, 'new_quote'],
  CELL_TAKEN: [409, 1204, 'never'],
  TOO_LATE: [409, 1205, 'new_quote'],
  TOO_EARLY: [409, 1206, 'new_quote'],
  PRICE_MOVED: [409, 1207, 'new_quote'],
  NO_PRICE: [409, 1208, 'new_quote'],
  BREAKER: [409, 1209, 'new_quote'],
  EXPOSURE: [409, 1210, 'new_quote'],
  CONFIG_CHANGED: [409, 1211, 'new_quote'],
  DRAINING: [503, 1302, 'same'],
};
const MONEY = 1_000_000_000;
const STAKE = 1_000_000;

/** The error object, field by field and nothing besides. */
function checkError(error, code, where, { journaled = false } = {}) {
  const [, id, retry] = CODES[code];
  const fields = ['code', 'id', 'message', 'retry'];
  if (journaled) {
    fields.push('bet', 'seq');
  }
  if (code === 'TIME_SKEW') {
    fields.push('time');
  }
  if (code === 'RATE_LIMITED') {
    fields.push('retry_after_ms');
  }
  assert.equal(error?.code, code, `${where}: ${JSON.stringify(error)}`);
  assert.deepEqual(Object.keys(error).sort(), fields.sort(), where);
  assert.equal(error.id, id, where);
  assert.equal(error.retry, retry, where);
  assert.ok(typeof error.message === 'string' && error.message.length > 0, where);
  if (journaled) {
    assert.match(error.bet, /^[1-9]\d*$/, where);
    assert.equal(error.seq, error.bet, where);
  }
}

/** A price that the test itself makes: one source, a line every 100 ms while it speaks. */
class Bridge {
  static async open(t, port) {
    const bridge = new Bridge();
    bridge.price = 600_000_000 + 100_000; // the middle of a band
    bridge.speaks = true;
    bridge.socket = net.connect(port, '127.0.0.1');
    bridge.socket.on('error', () => {});
    bridge.timer = setInterval(() => {
      if (bridge.speaks) {
        bridge.socket.write(`bridge ${bridge.price}\n`);
      }
    }, 100);
    t.after(() => bridge.close());
    return bridge;
  }

  close() {
    clearInterval(this.timer);
    this.socket.destroy();
  }
}

class World {
  static async begin(t, market, { bridge = false, limits = '0' } = {}) {
    const world = new World();
    world.directory = makeDirectory(t);
    world.data = path.join(world.directory, 'data');
    const options = [
      '--demo',
      '--market',
      writeMarket(world.directory, { pricing_delay_ms: 0, ...market }),
    ];
    const port = await freePort();
    if (bridge) {
      options.push('--feed', `lines:127.0.0.1:${port}`);
    }
    world.server = await Server.start(t, world.data, options, { limits });
    world.bridge = bridge ? await Bridge.open(t, port) : null;
    world.client = new Client(world.server.url);
    world.config = await world.client.settledConfig();
    world.socket = await world.client.socket();
    world.wallets = 0;
    world.bets = new Map(); // nonce -> bet, of every answer that named one
    await world.healthy();
    return world;
  }

  healthy() {
    return until('HEALTHY and a grid', async () => {
      const { breaker, time, last_tick } = await this.client.get('/v1/status');
      return breaker === 'HEALTHY' && Number(time) - Number(last_tick) < 800;
    });
  }

  /** A new wallet with money. */
  async wallet(money = MONEY) {
    this.wallets += 1;
    const wallet = makeWallet('refusals', this.wallets);
    if (money) {
      await this.client.deposit(wallet.address, money);
    }
    return wallet;
  }

  /** The fields of a tap that is taken and confirmed right now. */
  async good(index = 0) {
    const grid = await this.client.grid();
    const cells = openCells(grid, this.config, 3000).filter((cell) => Number(cell.mult) < 3000);
    const { column, band } = cells[index];
    return {
      column,
      band,
      stake: STAKE,
      config: this.config.config,
      time: grid.time,
      nonce: makeNonce(),
    };
  }

  /** Sends a body either way; {status, error, result}. */
  async send(over, body) {
    let answer;
    if (over === 'ws') {
      const reply = await this.socket.op('tap', body);
      answer = { error: reply.error, result: reply.result };
    } else {
      const reply = await this.client.postTap(body);
      answer = { status: reply.status, error: reply.body.error, headers: reply.headers };
      answer.result = reply.body.error ? undefined : reply.body;
    }
    const bet = answer.error?.bet ?? answer.result?.bet;
    if (bet !== undefined) {
      this.bets.set(body.nonce, bet);
    }
    return answer;
  }

  sign(wallet, fields) {
    return signTap(wallet, this.client.origin, fields);
  }

  /** The journal holds a tap for each nonce that an answer gave a bet, and no other. */
  async end() {
    await this.socket.close();
    this.client.close();
    this.bridge?.close();
    await this.server.stop();
    const { records, state } = await judge(this.directory, this.data);
    const taps = records.filter((record) => record.kind === 'tap');
    assert.deepEqual(taps.map((tap) => tap.nonce).sort(), [...this.bets.keys()].sort());
    for (const [nonce, bet] of this.bets) {
      assert.equal(state.bets[bet].nonce, nonce);
    }
    return state;
  }
}

/** A case: the tap `change` makes of a good one is refused with `code`. `journaled`: it became a
 *  rejected bet. `change(tap, world)` gets a signed body to spoil, or with `fields` the fields to
 *  sign. */
const CASES = [
  { name: 'unknown key', code: 'BAD_REQUEST', body: (b) => ({ ...b, colour: 'red' }) },
  { name: 'missing key', code: 'BAD_REQUEST', body: ({ stake, ...b }) => b },
  {
    name: 'integer as a JSON number',
    code: 'BAD_REQUEST',
    body: (b) => ({ ...b, stake: Number(b.stake) }),
  },
  { name: 'leading zero', code: 'BAD_REQUEST', body: (b) => ({ ...b, stake: `0${b.stake}` }) },
  { name: 'a sign', code: 'BAD_REQUEST', body: (b) => ({ ...b, band: `-${b.band}` }) },
  { name: '2^63', code: 'BAD_REQUEST', body: (b) => ({ ...b, column: '9223372036854775808' }) },
  { name: 'upper-case nonce', code: 'BAD_REQUEST', body: (b) => ({ ...b, nonce: 'A'.repeat(32) }) },
  { name: 'short nonce', code: 'BAD_REQUEST', body: (b) => ({ ...b, nonce: b.nonce.slice(1) }) },
  {
    name: 'broken checksum',
    code: 'BAD_REQUEST',
    body: (b) => ({ ...b, account: otherCase(b.account) }),
  },
  {
    name: 'short address',
    code: 'BAD_REQUEST',
    body: (b) => ({ ...b, account: b.account.slice(0, 41) }),
  },
  { name: 'null', code: 'BAD_REQUEST', body: (b) => ({ ...b, market: null }) },
  {
    name: 'signature of another',
    code: 'BAD_SIGNATURE',
    sign: (w, f, world) => ({
      ...world.sign(makeWallet('stranger', 0), f),
      account: w.address,
    }),
  },
  {
    name: 'another stake than signed',
    code: 'BAD_SIGNATURE',
    body: (b) => ({ ...b, stake: '1000001' }),
  },
  {
    name: 'another origin',
    code: 'BAD_SIGNATURE',
    sign: (w, f) => signTap(w, 'http://example.org', f),
  },
  {
    name: 'v = 29',
    code: 'BAD_SIGNATURE',
    body: (b) => ({ ...b, sig: `${b.sig.slice(0, -2)}1d` }),
  },
  {
    name: 'r = 0',
    code: 'BAD_SIGNATURE',
    body: (b) => ({ ...b, sig: `0x${'0'.repeat(64)}${b.sig.slice(66)}` }),
  },
  { name: 'high s', code: 'BAD_SIGNATURE', body: (b) => ({ ...b, sig: highS(b.sig) }) },
  {
    name: 'EIP-6492',
    code: 'SIGNER_UNSUPPORTED',
    body: (b) => ({ ...b, sig: `0x${'00'.repeat(96)}${'6492'.repeat(16)}` }),
  },
  { name: 'too old', code: 'TIME_SKEW', fields: (f) => ({ ...f, time: Number(f.time) - 31000 }) },
  { name: 'too new', code: 'TIME_SKEW', fields: (f) => ({ ...f, time: Number(f.time) + 9000 }) },
  { name: 'another config', code: 'CONFIG_CHANGED', fields: (f) => ({ ...f, config: 2 }) },
  { name: 'stake too small', code: 'LIMIT', fields: (f) => ({ ...f, stake: 99999 }) },
  { name: 'stake too large', code: 'LIMIT', fields: (f) => ({ ...f, stake: 100000001 }) },
  { name: 'min_mult too large', code: 'LIMIT', fields: (f) => ({ ...f, min_mult: 5001 }) },
  {
    name: 'no such column',
    code: 'CELL_CLOSED',
    fields: (f) => ({ ...f, column: Number(f.column) + 1 }),
  },
  { name: 'another market', code: 'CELL_CLOSED', fields: (f) => ({ ...f, market: 'ETH-USD' }) },
  {
    name: 'the column before',
    code: 'TOO_LATE',
    fields: (f) => ({
      ...f,
      column: Math.floor(Number(f.time) / 5000) * 5000 + 5000,
    }),
  },
  { name: 'a column of the past', code: 'TOO_LATE', fields: (f) => ({ ...f, column: 0 }) },
  {
    name: 'the column after the last',
    code: 'TOO_EARLY',
    fields: (f) => ({
      ...f,
      column: Math.floor(Number(f.time) / 5000) * 5000 + 70000,
    }),
  },
  {
    name: 'the end of time',
    code: 'TOO_EARLY',
    fields: (f) => ({ ...f, column: '9223372036854775000' }),
  },
  { name: 'no money', code: 'INSUFFICIENT_FUNDS', money: 0 },
  { name: 'not enough money', code: 'INSUFFICIENT_FUNDS', money: STAKE - 1 },
  {
    name: 'multiplier not reached',
    code: 'PRICE_MOVED',
    journaled: true,
    fields: (f) => ({ ...f, min_mult: 5000 }),
  },
  {
    name: 'a band far away',
    code: 'CELL_CLOSED',
    journaled: true,
    fields: (f) => ({ ...f, band: 1 }),
  },
  {
    name: 'the last band',
    code: 'CELL_CLOSED',
    journaled: true,
    fields: (f) => ({ ...f, band: '9223372036854775807' }),
  },
];

function otherCase(address) {
  const i = address.slice(2).search(/[a-zA-Z]/) + 2;
  const digit = address[i];
  const other = digit === digit.toUpperCase() ? digit.toLowerCase() : digit.toUpperCase();
  return address.slice(0, i) + other + address.slice(i + 1);
}

function highS(sig) {
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const s = (order - BigInt(`0x${sig.slice(66, 130)}`)).toString(16).padStart(64, '0');
  return `${sig.slice(0, 66)}${s}${sig.endsWith('1b') ? '1c' : '1b'}`;
}

async function tryCase(world, over, aCase) {
  const where = `${aCase.name} over ${over}`;
  const wallet = await world.wallet(aCase.money ?? MONEY);
  const before = await world.client.account(wallet.address);
  const good = await world.good();
  const fields = aCase.fields ? aCase.fields(good) : good;
  const signed = aCase.sign ? aCase.sign(wallet, fields, world) : world.sign(wallet, fields);
  const body = aCase.body ? aCase.body(signed) : signed;
  const answer = await world.send(over, body);
  checkError(answer.error, aCase.code, where, aCase);
  if (over === 'http') {
    assert.equal(answer.status, CODES[aCase.code][0], where);
  }
  const { seq: _then, ...balances } = before;
  const { seq: _now, ...after } = await world.client.account(wallet.address);
  assert.deepEqual(after, balances, `${where}: nothing moved`);
  // The nonce of the refused tap is as free, or as used, as the error said.
  if (aCase.money === undefined) {
    const second = { ...(await world.good()), nonce: good.nonce };
    const again = await world.send(over, world.sign(wallet, second));
    if (aCase.journaled) {
      checkError(again.error, 'NONCE_REUSED', where);
    } else {
      assert.equal(
        again.result?.state,
        'confirmed',
        `${where}: the nonce is free: ${JSON.stringify(again)}`,
      );
    }
  }
}

/** Data-driven: each case over HTTP and over WebSocket with a wallet of its own. */
test('each_refused_tap_has_its_code_and_does_nothing', async (t) => {
  const world = await World.begin(t, {}, { bridge: true });
  for (const aCase of CASES) {
    await tryCase(world, 'http', aCase);
    await tryCase(world, 'ws', aCase);
  }
  await world.end();
});

/** Refusals that come from what the account or the market did before. */
test('refusals_that_need_a_past', async (t) => {
  const world = await World.begin(t, { open_bets_max: 3 }, { bridge: true });
  const wallet = await world.wallet();
  const first = world.sign(wallet, await world.good(0));
  assert.equal((await world.send('http', first)).result.state, 'confirmed');

  const again = await world.send('ws', first);
  assert.equal(again.result.bet, world.bets.get(first.nonce), 'the same tap: the first bet');
  const other = world.sign(wallet, { ...(await world.good(1)), nonce: first.nonce });
  checkError(
    (await world.client.postTap(other)).body.error,
    'NONCE_REUSED',
    'other bytes, same nonce',
  );

  const taken = world.sign(wallet, {
    ...first,
    nonce: makeNonce(),
    time: (await world.good()).time,
    sig: undefined,
  });
  checkError((await world.send('http', taken)).error, 'CELL_TAKEN', 'one bet per cell');

  for (const i of [1, 2]) {
    assert.ok((await world.send('ws', world.sign(wallet, await world.good(i)))).result);
  }
  checkError(
    (await world.send('http', world.sign(wallet, await world.good(3)))).error,
    'LIMIT',
    'open bets',
  );

  // Silence: the source stays fresh for 3 s, then the last tick ages; at D = 0 it prices for 1 s
  // more.
  world.bridge.speaks = false;
  const age = async () => {
    const { time, last_tick } = await world.client.get('/v1/status');
    return Number(time) - Number(last_tick);
  };
  await until('the last tick is 1.3 s old', async () => (await age()) > 1300, { every: 50 });
  const { address } = wallet;
  const second = await world.wallet();
  const quote = { ...(await quoteWithoutGrid(world, first)), nonce: makeNonce() };
  const stale = await world.send('http', world.sign(second, quote));
  checkError(stale.error, 'NO_PRICE', 'the tick is too old', { journaled: true });
  await until('the last tick is 3.2 s old', async () => (await age()) > 3200, { every: 50 });
  const third = world.sign(second, {
    ...(await quoteWithoutGrid(world, first)),
    nonce: makeNonce(),
  });
  checkError((await world.send('http', third)).error, 'BREAKER', 'no tick for 3 s');
  world.bridge.speaks = true;
  await world.healthy();
  const account = await world.client.account(address);
  assert.equal(Number(account.available) + 3 * STAKE <= MONEY, true);
  await world.end();
});

/** A tap for a column 30 s ahead, also when the grid offers nothing. */
async function quoteWithoutGrid(world, like) {
  const time = await world.client.time();
  return {
    column: Math.floor(time / 5000) * 5000 + 30000,
    band: like.band,
    stake: STAKE,
    config: like.config,
    time,
  };
}

/** A house that may lose nothing confirms nothing. */
test('exposure_is_refused_in_the_step_that_confirms', async (t) => {
  const world = await World.begin(t, { column_loss_max: 0 });
  const wallet = await world.wallet();
  for (const over of ['http', 'ws']) {
    const answer = await world.send(over, world.sign(wallet, await world.good()));
    checkError(answer.error, 'EXPOSURE', over, { journaled: true });
  }
  const { available, held, open_bets } = await world.client.account(wallet.address);
  assert.deepEqual([available, held, open_bets], [String(MONEY), '0', '0']);
  await world.end();
});

/** Taps beyond the burst are counted, not journaled, and say when to come back. */
test('rate_limits_answer_429_with_a_time', async (t) => {
  const world = await World.begin(t, {}, { limits: null });
  const wallet = await world.wallet();
  const good = await world.good();
  const bodies = Array.from({ length: 60 }, () =>
    world.sign(wallet, { ...good, nonce: makeNonce() }),
  );
  const answers = await Promise.all(bodies.map((body) => world.send('http', body)));
  const limited = answers.filter((answer) => answer.error?.code === 'RATE_LIMITED');
  assert.ok(limited.length >= 30, `${limited.length} of 60 at a burst of 20`);
  for (const { error, status, headers } of limited) {
    assert.equal(status, 429);
    checkError(error, 'RATE_LIMITED', 'burst');
    assert.match(error.retry_after_ms, /^[1-9]\d*$/);
    assert.match(headers['retry-after'], /^\d+$/);
  }
  await world.end();
});

/** Requests that never become a tap. */
test('malformed_requests_are_refused_before_anything_is_read_of_them', async (t) => {
  const world = await World.begin(t, {});
  const { client } = world;
  const wallet = await world.wallet();
  const signed = world.sign(wallet, await world.good());
  const text = JSON.stringify(signed);
  const post = (raw, headers) => client.request('POST', '/v1/bets', { raw, headers });
  const cases = [
    ['empty body', post(''), 400],
    ['not JSON', post('{'), 400],
    ['an array', post('[]'), 400],
    ['two values', post(`${text}${text}`), 400],
    ['a duplicate key', post(`${text.slice(0, -1)},"stake":"${signed.stake}"}`), 400],
    ['nested too deep', post(`${'{"a":'.repeat(9)}1${'}'.repeat(9)}`), 400],
    [
      'not UTF-8',
      post(Buffer.concat([Buffer.from('{"account":"'), Buffer.from([0xff]), Buffer.from('"}')])),
      400,
    ],
    ['more than 4 KiB', post(`${text.slice(0, -1)},"x":"${'y'.repeat(5000)}"}`), 413],
    ['not application/json', post(text, { 'Content-Type': 'text/plain' }), 415],
    ['an origin not on the list', post(text, { Origin: 'http://example.org' }), 403],
    ['a wrong method', client.request('PUT', '/v1/bets', { raw: text }), 405],
    [
      'deposit of a number',
      client.request('POST', '/v1/demo/deposit', {
        body: { account: wallet.address, amount: 1 },
      }),
      400,
    ],
  ];
  for (const [name, pending, status] of cases) {
    const answer = await pending;
    assert.equal(answer.status, status, `${name}: ${answer.text}`);
    checkError(answer.body?.error, 'BAD_REQUEST', name);
  }
  for (const missing of [
    '/v1/bets/999999999',
    '/v1/columns/5000',
    '/v1/config/99',
    '/v1/nothing',
    `/v1/bets/by-nonce/${wallet.address}/${makeNonce()}`,
  ]) {
    const answer = await client.request('GET', missing);
    assert.equal(answer.status, 404, missing);
    checkError(answer.body?.error, 'NOT_FOUND', missing);
  }
  const account = await client.account(wallet.address);
  assert.equal(account.available, String(MONEY));
  const ready = await world.send('http', signed);
  assert.ok(ready.result, 'the tap itself was good all the time');
  await world.end();
});

/** A demo deposit exists only on a demo. */
test('deposits_need_the_demo', async (t) => {
  const directory = makeDirectory(t);
  const data = path.join(directory, 'data');
  const server = await Server.start(t, data);
  const client = new Client(server.url);
  const answer = await client.request('POST', '/v1/demo/deposit', {
    body: { account: makeWallet('refusals', 0).address, amount: '1' },
  });
  assert.equal(answer.status, 404);
  checkError(answer.body.error, 'NOT_FOUND', 'deposit');
  client.close();
  await server.stop();
  const records = await inspect(data, path.join(directory, 'records.jsonl'));
  assert.ok(records.every((record) => record.kind !== 'deposit'));
});

/** While it drains, sockets are told, and a tap is either durable or refused with DRAINING. */
test('a_draining_server_says_so', async (t) => {
  const world = await World.begin(t, { open_bets_max: 1000 });
  const wallet = await world.wallet();
  const good = await world.good();
  const bodies = Array.from({ length: 40 }, (_, i) =>
    world.sign(wallet, {
      ...good,
      column: Number(good.column) + 5000 * (i % 4),
      nonce: makeNonce(),
    }),
  );
  const stopped = world.server.stop();
  const answers = [];
  for (const body of bodies) {
    try {
      answers.push(await world.send('ws', body));
    } catch {
      break; // the server is gone
    }
  }
  await stopped;
  await sleep(100);
  assert.ok(
    world.socket.events.some((e) => e.type === 'server:shutdown'),
    'the socket was told',
  );
  const refused = answers.filter((a) => a.error?.code === 'DRAINING');
  refused.forEach(({ error }) => checkError(error, 'DRAINING', 'drain'));
  t.diagnostic(`${refused.length} of ${answers.length} answers were DRAINING`);
  world.client.close();
  const { records } = await judge(world.directory, world.data);
  const nonces = new Set(records.filter((r) => r.kind === 'tap').map((r) => r.nonce));
  for (const nonce of world.bets.keys()) {
    assert.ok(nonces.has(nonce), 'what was answered is in the journal');
  }
});

/** The text that the client signs is the example of the interface, byte for byte. */
test('the_signed_text_is_eleven_lines_without_a_last_line_feed', () => {
  const text = tapText('http://127.0.0.1:8080', {
    account: '0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf',
    market: 'BTC-USD',
    column: '1732077300000',
    band: '4861',
    stake: '1500000',
    min_mult: '210',
    config: '1',
    nonce: '0'.repeat(32),
    time: '1732077288123',
  });
  assert.equal(text.split('\n').length, 11);
  assert.ok(text.startsWith('tap-bet-v1\norigin: http://127.0.0.1:8080\naccount: 0x7E5F'));
  assert.ok(text.endsWith('time: 1732077288123'));
});
