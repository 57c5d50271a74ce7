// One journal, every build: gcc -O0, gcc -O3, clang and ASan + UBSan compute the digests that the release
// build attested while it ran.
//   TAPLINE_BUILDS: folder of the builds by preset name (default: build beside the sources)

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Choices, Client, makeWallet, openCells, signTap } from './client/client.mjs';
import {
  BINARY, Server, makeDirectory, mustEnd, run, sleep, until, writeMarket,
} from './harness.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const BUILDS = path.resolve(process.env.TAPLINE_BUILDS ?? path.join(here, '..', '..', 'build'));
const PRESETS = ['gcc-O0', 'gcc-O3', 'clang', 'asan'];
const LOAD_MS = Number(process.env.LOAD_MS ?? 15000);

/** A few seconds of live taps by a handful of wallets, from a server with a simulated price. */
async function makeJournal(t, directory) {
  const data = path.join(directory, 'data');
  const market = writeMarket(directory, { column_ms: 1000, columns: 30, pricing_delay_ms: 0 });
  const server = await Server.start(t, data, ['--demo', '--market', market]);
  const client = new Client(server.url);
  const choices = new Choices(7);
  const wallets = Array.from({ length: 4 }, (_, i) => makeWallet('compilers', i));
  for (const wallet of wallets) {
    await client.deposit(wallet.address, 500_000_000);
  }
  await until('the breaker is HEALTHY', async () => (
    (await client.get('/v1/status')).breaker === 'HEALTHY'));
  const config = await client.settledConfig();
  const end = Date.now() + LOAD_MS;
  while (Date.now() < end) {
    const grid = await client.grid();
    const cells = openCells(grid, config, 500);
    await Promise.all(wallets.map(async (wallet) => {
      const { column, band } = choices.of(cells);
      await client.postTap(signTap(wallet, client.origin, {
        column, band, stake: 100000, config: config.config, time: grid.time,
      }));
    }));
  }
  await sleep(1500);
  client.close();
  await server.stop();
  return data;
}

/** What verify prints, by the first word of each line. */
function parse(stdout) {
  return Object.fromEntries(stdout.split('\n').filter(Boolean).map((line) => {
    const [name, ...rest] = line.split(/\s{2,}/);
    return [name, rest.join(' ')];
  }));
}

test('every_build_computes_the_attested_digests', async (t) => {
  const directory = makeDirectory(t);
  const data = await makeJournal(t, directory);
  const release = parse((await mustEnd(0, run(BINARY, ['verify', '--data', data]), 'verify')).stdout);
  t.diagnostic(`release: ${release.records}; ${release.attests}`);
  assert.match(release.attests, /^(\d{2,}) compared, 0 differ$/);
  for (const preset of PRESETS) {
    const binary = path.join(BUILDS, preset, 'tools', 'tapline');
    await t.test(`the_${preset.replaceAll('-', '_')}_build_agrees`, async (u) => {
      if (!fs.existsSync(binary)) {
        console.log(`SKIPPED: no build of ${preset}; run tools/build ${preset}`);
        u.skip('not built');
        return;
      }
      const other = parse((await mustEnd(0, run(binary, ['verify', '--data', data]), preset)).stdout);
      assert.equal(other.digest, release.digest);
      assert.equal(other['tree head'], release['tree head']);
      assert.equal(other.attests, release.attests);
    });
  }
});
