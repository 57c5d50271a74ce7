// kill -9 at random moments under load: whatever a client was told is still there afterwards.
//   KILLS: how many (default 10; the full count is 50)      SEED: of the moments

import assert from 'node:assert/strict';
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

const KILLS = Number(process.env.KILLS ?? 10);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const WALLETS = 6;

/** What one life of the server told its clients, by bet. */
class Witness {
  constructor() {
    this.accepted = new Map(); // bet -> {seq, account, nonce}
    this.confirmed = new Map(); // bet -> {seq, mult, payout}
    this.deposits = []; // {seq, account, ref}
    this.answers = 0;
  }

  hearsEvent(account, event) {
    if (event.type === 'bet:accepted') {
      this.hearsAccepted(account, event.bet, event.seq, event.nonce);
    } else if (event.type === 'bet:confirmed') {
      this.confirmed.set(event.bet, { seq: event.seq, mult: event.mult, payout: event.payout });
    }
  }

  hearsAccepted(account, bet, seq, nonce) {
    const before = this.accepted.get(bet);
    assert.ok(!before || before.seq === seq, `bet ${bet} has two seqs`);
    this.accepted.set(bet, { seq, account, nonce });
  }
}

async function prepare(client, witness, wallets) {
  const sockets = [];
  for (const wallet of wallets) {
    const socket = await client.socket({
      onEvent: (event) => witness.hearsEvent(wallet.address, event),
    });
    await socket.authenticate(wallet);
    await socket.subscribe('account');
    sockets.push(socket);
  }
  return sockets;
}

/** Taps until the connection breaks; half of the wallets over HTTP, half over WebSocket. */
async function load(client, config, choices, wallets, sockets, witness, alive) {
  await Promise.all(
    wallets.map(async (wallet, i) => {
      while (alive()) {
        try {
          const deposit = await client.deposit(wallet.address, 5_000_000);
          witness.deposits.push({ seq: deposit.seq, account: deposit.account, ref: deposit.ref });
          const grid = await client.grid();
          const cells = openCells(grid, config, 500);
          const taps = Array.from({ length: cells.length ? 8 : 0 }, () => {
            const { column, band } = choices.of(cells);
            return signTap(wallet, client.origin, {
              column,
              band,
              stake: 100000,
              config: config.config,
              time: grid.time,
            });
          });
          await Promise.all(
            taps.map(async (tap) => {
              const result =
                i % 2 ? (await sockets[i].op('tap', tap)).result : (await client.postTap(tap)).body;
              witness.answers += 1;
              if (result && !result.error) {
                witness.hearsAccepted(wallet.address, result.bet, result.seq, tap.nonce);
              }
            }),
          );
        } catch (error) {
          if (alive()) {
            throw error;
          }
        }
      }
    }),
  );
}

async function checkSurvivors(client, witness) {
  for (const [bet, told] of witness.accepted) {
    const shown = await client.get(`/v1/bets/${bet}`);
    assert.equal(shown.accepted_seq, told.seq, `bet ${bet}`);
    assert.equal(shown.account, told.account, `bet ${bet}`);
    assert.equal(shown.nonce, told.nonce, `bet ${bet}`);
    const again = await client.get(`/v1/bets/by-nonce/${told.account}/${told.nonce}`);
    assert.equal(again.bet, bet);
  }
  for (const [bet, told] of witness.confirmed) {
    const shown = await client.get(`/v1/bets/${bet}`);
    assert.deepEqual(
      [shown.priced_seq, shown.mult, shown.payout],
      [told.seq, told.mult, told.payout],
    );
    assert.notEqual(shown.state, 'accepted');
  }
}

/** No client ever saw a bet that a power cut of the process could take back. */
test('what_a_client_was_told_survives_kill_9', async (t) => {
  t.diagnostic(`SEED=${SEED}`);
  const choices = new Choices(SEED + 1);
  const directory = makeDirectory(t);
  const data = path.join(directory, 'data');
  const options = ['--demo', '--market', writeMarket(directory, { column_ms: 1000, columns: 30 })];
  const wallets = Array.from({ length: WALLETS }, (_, i) => makeWallet('kill', i));
  const everything = [];
  for (let life = 0; life <= KILLS; life += 1) {
    const server = await Server.start(t, data, options);
    const client = new Client(server.url);
    for (const witness of everything.slice(-1)) {
      await checkSurvivors(client, witness);
    }
    if (life === KILLS) {
      await until(
        'every bet is closed',
        async () => {
          const accounts = await Promise.all(wallets.map((w) => client.account(w.address)));
          return accounts.every((a) => a.open_bets === '0');
        },
        { within: 120000, every: 500 },
      );
      for (const witness of everything) {
        await checkSurvivors(client, witness);
      }
      client.close();
      await server.stop();
      break;
    }
    await until(
      'the breaker is HEALTHY',
      async () => (await client.get('/v1/status')).breaker === 'HEALTHY',
    );
    const witness = new Witness();
    everything.push(witness);
    const config = await client.settledConfig();
    const sockets = await prepare(client, witness, wallets);
    let alive = true;
    const loading = load(client, config, choices, wallets, sockets, witness, () => alive);
    loading.catch(() => {});
    await sleep(300 + choices.below(2500));
    alive = false;
    await server.kill();
    await loading;
    client.close();
    sockets.forEach((socket) => socket.terminate());
    t.diagnostic(
      `life ${life}: ${witness.answers} answers, ${witness.accepted.size} accepted, ` +
        `${witness.confirmed.size} confirmed`,
    );
  }
  await mustEnd(0, tapline('verify', '--data', data), 'verify');
  const { records, state } = await judge(directory, data, { signatures: 20 });
  assert.equal(records.filter((r) => r.kind === 'start').length, KILLS + 1);
  assert.ok(everything.reduce((sum, w) => sum + w.accepted.size, 0) > KILLS, 'there was load');
  for (const witness of everything) {
    for (const [bet, told] of witness.accepted) {
      assert.equal(state.bets[bet].accepted_seq, told.seq);
    }
    for (const { seq, account, ref } of witness.deposits) {
      const record = records[Number(seq) - 1];
      assert.deepEqual([record.kind, record.account, record.ref], ['deposit', account, ref]);
    }
  }
});
