// The two ends of a server's life as a client sees them: the ready line, and the drain.

import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { Client, makeWallet } from './client/client.mjs';
import { Server, makeDirectory, mustEnd, run, sleep, tapline, until } from './harness.mjs';

/** The ready line is a promise: whoever reads it and asks is answered. */
test('after_the_ready_line_every_read_answers', async (t) => {
  for (let round = 0; round < 5; round += 1) {
    const data = path.join(makeDirectory(t), 'data');
    const server = await Server.start(t, data, ['--demo']);
    const client = new Client(server.url);
    const paths = ['config/current', 'config/1', 'grid', 'index', 'status', 'time'];
    const answers = await Promise.all(paths.map((name) => client.request('GET', `/v1/${name}`)));
    answers.forEach(({ status, text }, i) => assert.equal(status, 200, `${paths[i]}: ${text}`));
    assert.equal((await client.request('GET', '/readyz')).status, 200);
    client.close();
    await server.stop();
  }
});

/** Whatever is asked at whatever moment of a drain, the exit is clean. */
test('reads_during_a_drain_do_no_harm', async (t) => {
  const paths = [
    '/metrics',
    '/healthz',
    '/readyz',
    '/livez',
    '/v1/status',
    '/v1/grid',
    '/v1/index',
    '/v1/config/current',
    `/v1/accounts/${makeWallet('lifecycle', 1).address}`,
    '/',
  ];
  const data = path.join(makeDirectory(t), 'data');
  for (let round = 0; round < 10; round += 1) {
    const server = await Server.start(t, data, ['--demo']);
    const client = new Client(server.url);
    let over = false;
    const asking = Promise.all(
      paths.map(async (name) => {
        while (!over) {
          await client.request('GET', name).catch(() => sleep(1)); // refused while it goes
        }
      }),
    );
    await sleep(50 * round);
    try {
      await server.stop();
    } finally {
      over = true;
      await asking;
      client.close();
    }
  }
});

/** A projection that cannot go on is told and counted, bets and the journal go on without it, and a
 * restart makes up for what is missing. */
test('a_halted_projection_is_told_and_healed_by_a_restart', async (t) => {
  const data = path.join(makeDirectory(t), 'data');
  const first = await Server.start(t, data, ['--demo']);
  const client = new Client(first.url);
  const { address } = makeWallet('halted', 1);
  await client.deposit(address, 5_000_000);
  await until('SQLite has it', async () => (await client.account(address)).available === '5000000');
  assert.equal((await client.get('/healthz')).status, 'ok');

  const edit = 'import sqlite3,sys\nc=sqlite3.connect(sys.argv[1],timeout=20)\n' +
    'c.execute("UPDATE users SET balance = balance + 1")\nc.commit()';
  await mustEnd(0, run('python3', ['-c', edit, path.join(data, 'main.db')]), 'python3');
  await client.deposit(address, 2_000_000);
  await until('it has halted', async () => (await client.get('/healthz')).status === 'projection halted');
  assert.match(first.stderr, /ALARM: the SQLite projection has halted/);
  assert.equal((await client.request('GET', '/readyz')).status, 200);
  const { text } = await client.request('GET', '/metrics');
  assert.match(text, /^tapline_replay_divergence_total 1$/m);
  const { seq } = await client.deposit(address, 3_000_000);
  client.close();
  await first.stop();

  const second = await Server.start(t, data, ['--demo']);
  const again = new Client(second.url);
  assert.equal((await again.get('/healthz')).status, 'ok');
  const account = await again.account(address);
  assert.equal(account.available, '10000000');
  assert.ok(BigInt(account.seq) >= BigInt(seq));
  again.close();
  await second.stop();
  await mustEnd(0, tapline('verify', '--data', data), 'verify');
});
