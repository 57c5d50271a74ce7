// The two ends of a server's life as a client sees them: the ready line, and the drain.

import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { Client, makeWallet } from './client/client.mjs';
import { Server, makeDirectory, sleep } from './harness.mjs';

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
