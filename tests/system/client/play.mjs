#!/usr/bin/env node
// Plays against a running server and prints what it saw as JSON lines.
//   play.mjs URL [--wallets N] [--taps N] [--seed TEXT] [--over http|ws]

import { parseArgs } from 'node:util';
import { Choices, Client, makeWallet, openCells, signTap } from './client.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    wallets: { type: 'string', default: '4' },
    taps: { type: 'string', default: '100' },
    seed: { type: 'string', default: 'play' },
    over: { type: 'string', default: 'http' },
  },
});
if (positionals.length !== 1) {
  console.error(
    'play.mjs: usage: play.mjs URL [--wallets N] [--taps N] [--seed TEXT] [--over http|ws]',
  );
  process.exit(64);
}

const client = new Client(positionals[0], { log: process.stdout });
const config = await client.config();
const choices = new Choices(values.seed.length + 1);
const players = [];
for (let i = 0; i < Number(values.wallets); i += 1) {
  const wallet = makeWallet(values.seed, i);
  await client.deposit(wallet.address, 1_000_000_000);
  const socket = await client.socket();
  await socket.authenticate(wallet);
  await socket.resume(0);
  players.push({ wallet, socket });
}
for (let i = 0; i < Number(values.taps); i += 1) {
  const { wallet, socket } = players[i % players.length];
  const grid = await client.grid();
  const cells = openCells(grid, config);
  if (cells.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    continue;
  }
  const cell = choices.of(cells);
  const tap = signTap(wallet, client.origin, {
    column: cell.column,
    band: cell.band,
    stake: config.stake_min,
    config: config.config,
    time: grid.time,
  });
  await (values.over === 'ws' ? socket.op('tap', tap) : client.postTap(tap));
}
for (const { socket } of players) {
  await socket.close();
}
client.close();
