#!/usr/bin/env node
// One tap from beginning to end, for reading: a new wallet, demo money, one signed bet, and what becomes of it.
//   node first-tap.mjs URL        (the server needs --demo)

import { Wallet } from 'ethers';
import { Client, openCells, signTap } from './client.mjs';

const url = process.argv[2];
if (process.argv.length !== 3 || !URL.canParse(url)) {
  console.error('first-tap.mjs: usage: node first-tap.mjs http://127.0.0.1:8080');
  process.exit(64);
}

const usd = (micro) => `${(Number(micro) / 1e6).toFixed(2)} USD`;
const price = (e4) => (Number(e4) / 1e4).toFixed(2);
const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

async function run(client) {
  const wallet = Wallet.createRandom();
  console.log(`wallet     ${wallet.address}`);
  const money = await client.deposit(wallet.address, 100_000_000);
  console.log(`demo money ${usd(money.available)}`);

  // Bets are taken while the breaker is HEALTHY: five seconds of good prices after the start.
  const config = await client.settledConfig();
  for (let breaker = ''; breaker !== 'HEALTHY';) {
    const status = await client.get('/v1/status');
    if (status.breaker !== breaker) {
      breaker = status.breaker;
      console.log(`market     ${breaker}`);
    }
    await sleep(breaker === 'HEALTHY' ? 0 : 500);
  }

  // The first column with a second to spare, and in it the cell with the lowest multiplier: the price is in it.
  const cells = openCells(await client.grid(), config, 1000);
  const near = cells.filter((cell) => cell.column === cells[0].column);
  const cell = near.reduce((best, next) => (Number(next.mult) < Number(best.mult) ? next : best));
  const tap = signTap(wallet, client.origin, {
    column: cell.column, band: cell.band, stake: '1000000', config: config.config,
    min_mult: Math.max(100, Math.floor(Number(cell.mult) * 0.9)), time: await client.time(),
  });
  const answer = await client.postTap(tap);
  if (answer.status !== 202) {
    throw new Error(`the tap was refused: ${answer.text}`);
  }
  console.log(`accepted   bet ${answer.body.bet}, ${usd(tap.stake)} that the price of BTC at `
    + `${new Date(Number(tap.column)).toISOString()} is in band ${tap.band}`);

  for (let state = 'accepted'; ;) {
    const bet = await client.get(`/v1/bets/${answer.body.bet}`);
    if (bet.state !== state) {
      state = bet.state;
      if (state === 'confirmed') {
        console.log(`confirmed  at ${Number(bet.mult) / 100}x: pays ${usd(bet.payout)} from ${price(bet.lo)} `
          + `up to ${price(bet.hi)}, the price is ${price(bet.price)}`);
      } else {
        console.log(`${state.padEnd(10)} ${bet.reason ?? `the price was ${price(bet.settle_price)}`}, paid ${usd(bet.paid)}`);
        return;
      }
    }
    await sleep(200);
  }
}

const client = new Client(url);
try {
  await run(client);
} catch (error) {
  console.error(`first-tap.mjs: ${error.code === 'ECONNREFUSED' ? `no server at ${url}` : error.message}`);
  process.exitCode = 1;
} finally {
  client.close();
}
