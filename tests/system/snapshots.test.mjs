// Snapshots of a real server: written under load, killed at any moment, damaged, lost, put where
// they do not belong. The state is the same every time, or the start refuses.
//   KILLS: how many (default 20)      SEED: of the moments      CHECKS: of one load (default 50)

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Choices, Client, makeWallet, openCells, signTap } from './client/client.mjs';
import {
  Server,
  makeDirectory,
  mustEnd,
  refusesToStart,
  run,
  sleep,
  tapline,
  until,
  writeMarket,
} from './harness.mjs';

const KILLS = Number(process.env.KILLS ?? 20);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const CHECKS = Number(process.env.CHECKS ?? 50);
const EVERY = ['--snapshot-every', '40'];

function options(directory, ...more) {
  const market = writeMarket(directory, { column_ms: 1000, min_lead_ms: 1000 });
  return ['--demo', '--market', market, ...more];
}

function snapshotsOf(data) {
  const folder = path.join(data, 'snapshots');
  return fs.existsSync(folder)
    ? fs
        .readdirSync(folder)
        .filter((name) => name.endsWith('.snap'))
        .sort()
        .map((name) => path.join(folder, name))
    : [];
}

/** Asks the running server for a snapshot: {seq, file}. */
async function snapshot(data) {
  const { stdout } = await mustEnd(0, tapline('admin', '--data', data, 'snapshot'), 'snapshot');
  return JSON.parse(stdout);
}

function flipByte(file, at) {
  const bytes = fs.readFileSync(file);
  bytes[at % bytes.length] ^= 1;
  fs.writeFileSync(file, bytes);
}

/** Deposits and taps of some wallets until `alive` says no. Broken connections are what it is for. */
async function load(client, wallets, alive) {
  let answers = 0;
  await Promise.all(
    wallets.map(async (wallet) => {
      while (alive()) {
        try {
          await client.deposit(wallet.address, 5_000_000);
          const config = await client.settledConfig();
          const grid = await client.grid();
          for (const { column, band } of openCells(grid, config, 500).slice(0, 6)) {
            await client.postTap(
              signTap(wallet, client.origin, {
                column,
                band,
                stake: 100000,
                config: config.config,
                time: grid.time,
              }),
            );
            answers += 1;
          }
        } catch (error) {
          if (alive()) {
            throw error;
          }
        }
      }
    }),
  );
  return answers;
}

/** A directory whose server ran under load for a while and was drained. */
async function makeHistory(t, directory, name = 'data') {
  const data = path.join(directory, name);
  const server = await Server.start(t, data, options(directory, ...EVERY));
  const client = new Client(server.url);
  const wallets = [0, 1, 2].map((i) => makeWallet(`snapshots ${name}`, i));
  await until(
    'the breaker is HEALTHY',
    async () => (await client.get('/v1/status')).breaker === 'HEALTHY',
  );
  let alive = true;
  const loading = load(client, wallets, () => alive);
  for (let i = 0; i < 3; i += 1) {
    await sleep(1200);
    await snapshot(data);
  }
  alive = false;
  await loading;
  client.close();
  await server.stop();
  assert.ok(snapshotsOf(data).length >= 3, 'snapshots were written');
  return { data, wallets };
}

/** Starts, looks at the accounts, drains: {stderr, accounts}. */
async function startAndLook(t, directory, data, wallets) {
  const server = await Server.start(t, data, options(directory, ...EVERY));
  const client = new Client(server.url);
  await until(
    'no bet is open',
    async () =>
      (await Promise.all(wallets.map((w) => client.account(w.address)))).every(
        (account) => account.open_bets === '0',
      ),
    { within: 60000, every: 200 },
  );
  const accounts = await Promise.all(wallets.map((w) => client.account(w.address)));
  client.close();
  await server.stop();
  return { stderr: server.stderr, accounts: accounts.map((a) => [a.account, a.available]) };
}

/** Each life restores a snapshot of the one before and attests its digests in the journal; verify
 * replays all of them from the first record and compares each. Killed in every phase of a snapshot's
 * writing, because they are written all the time. */
test('kill_9_while_snapshots_are_written_loses_nothing', async (t) => {
  t.diagnostic(`SEED=${SEED}`);
  const choices = new Choices(SEED + 1);
  const directory = makeDirectory(t);
  const data = path.join(directory, 'data');
  const wallets = [0, 1, 2, 3].map((i) => makeWallet('snapshots', i));
  let fromSnapshot = 0;
  let asked = 0;
  for (let life = 0; life < KILLS; life += 1) {
    const server = await Server.start(t, data, options(directory, ...EVERY));
    fromSnapshot += /from the snapshot of seq/.test(server.stderr) ? 1 : 0;
    assert.doesNotMatch(server.stderr, /not used|ALARM/);
    const client = new Client(server.url);
    let alive = true;
    const loading = load(client, wallets, () => alive);
    loading.catch(() => {});
    const asking = (async () => {
      while (alive) {
        const { code } = await tapline('admin', '--data', data, 'snapshot');
        asked += code === 0 ? 1 : 0;
      }
    })();
    await sleep(100 + choices.below(1200));
    alive = false;
    await server.kill();
    await loading;
    await asking;
    client.close();
  }
  const { stderr } = await startAndLook(t, directory, data, wallets);
  assert.match(stderr, /from the snapshot of seq/);
  assert.ok(fromSnapshot > KILLS / 2, `${fromSnapshot} starts began with a snapshot`);
  assert.ok(snapshotsOf(data).length <= 5, 'old ones are removed');
  await mustEnd(0, tapline('verify', '--data', data), 'verify');
  t.diagnostic(`${KILLS} kills, ${fromSnapshot} starts from a snapshot, ${asked} asked for`);
});

/** The newest damaged, then all of them, then none at all: a line each, and the same accounts. */
test('damaged_or_lost_snapshots_change_no_account', async (t) => {
  const directory = makeDirectory(t);
  const { data, wallets } = await makeHistory(t, directory);
  const good = await startAndLook(t, directory, data, wallets);
  assert.match(good.stderr, /from the snapshot of seq \d+/);

  const newest = snapshotsOf(data).at(-1);
  flipByte(newest, 4096 + 99);
  const one = await startAndLook(t, directory, data, wallets);
  assert.match(one.stderr, new RegExp(`snapshot ${path.basename(newest)}: its hash does not fit`));
  assert.deepEqual(one.accounts, good.accounts);

  for (const [i, file] of snapshotsOf(data).entries()) {
    if (i % 2) {
      fs.truncateSync(file, 3000);
    } else {
      flipByte(file, 5);
    }
  }
  const all = await startAndLook(t, directory, data, wallets);
  assert.match(all.stderr, /from the first record/);
  assert.match(all.stderr, /it is cut short/);
  assert.deepEqual(all.accounts, good.accounts);

  fs.rmSync(path.join(data, 'snapshots'), { recursive: true });
  const none = await startAndLook(t, directory, data, wallets);
  assert.match(none.stderr, /from the first record/);
  assert.doesNotMatch(none.stderr, /not used/);
  assert.deepEqual(none.accounts, good.accounts);
  await mustEnd(0, tapline('verify', '--data', data), 'verify');
});

/** A snapshot that has seen more than the journal holds shows a lost tail: 74, with range and file.
 * One of another journal is skipped. */
test('snapshots_where_they_do_not_belong', async (t) => {
  const directory = makeDirectory(t);
  const { data, wallets } = await makeHistory(t, directory);
  const old = path.join(directory, 'old');
  fs.cpSync(data, old, { recursive: true });
  const server = await Server.start(t, data, options(directory, ...EVERY));
  await sleep(1500);
  const { seq, file } = await snapshot(data);
  await server.stop();

  fs.copyFileSync(path.join(data, file), path.join(old, file));
  const refused = await refusesToStart(old, options(directory));
  assert.equal(refused.code, 74, refused.stderr);
  assert.match(refused.stderr, new RegExp(`${path.basename(file)} has seen seq ${seq}`));
  assert.match(refused.stderr, new RegExp(`seq \\d+ to ${seq} are missing`));
  fs.rmSync(path.join(old, file));
  await startAndLook(t, directory, old, wallets);

  const other = await makeHistory(t, directory, 'other');
  fs.rmSync(path.join(other.data, 'snapshots'), { recursive: true });
  fs.mkdirSync(path.join(other.data, 'snapshots'));
  const stranger = snapshotsOf(data)[0];
  fs.copyFileSync(stranger, path.join(other.data, 'snapshots', path.basename(stranger)));
  const { stderr } = await startAndLook(t, directory, other.data, other.wallets);
  assert.match(stderr, /it is of another journal; it is not used/);
  await mustEnd(0, tapline('verify', '--data', other.data), 'verify');
});

function sqlite(file, script) {
  const program = `import sqlite3,sys\nc=sqlite3.connect(sys.argv[1],timeout=20)\n${script}\nc.commit()`;
  return mustEnd(0, run('python3', ['-c', program, file]), 'python3');
}

/** A balance edited together with its ledger row, so that the sums agree: named with both figures,
 * the files are kept, and the account is what the journal says. */
test('edited_balance_is_found_at_the_start', async (t) => {
  const directory = makeDirectory(t);
  const { data, wallets } = await makeHistory(t, directory);
  const good = await startAndLook(t, directory, data, wallets);
  const week = fs.readdirSync(data).find((name) => /^bets_\d{4}_w\d\d\.db$/.test(name));
  await sqlite(
    path.join(data, 'main.db'),
    'c.execute("UPDATE users SET balance = balance + 777 WHERE id = 2")',
  );
  await sqlite(
    path.join(data, week),
    'c.execute("UPDATE transaction_ledger SET amount = amount + 777 WHERE (seq, line) = ' +
      '(SELECT seq, line FROM transaction_ledger WHERE user_id = 2 ORDER BY seq, line LIMIT 1)")',
  );
  const found = await startAndLook(t, directory, data, wallets);
  const line = /ALARM: main\.db, users, (0x\w+) after seq \d+: balance is (\d+) there and (\d+) by/.exec(
    found.stderr,
  );
  assert.ok(line, found.stderr);
  assert.equal(BigInt(line[2]) - BigInt(line[3]), 777n);
  assert.ok(fs.existsSync(path.join(data, 'main.db.damaged')));
  assert.ok(fs.existsSync(path.join(data, `${week}.damaged`)));
  assert.deepEqual(found.accounts, good.accounts);
  await mustEnd(0, tapline('verify', '--data', data), 'verify');
});

/** The keeper's check of everything tells when it found nothing, and alarms when a row was edited
 * under the running server. */
test('check_of_everything_finds_an_edited_row', async (t) => {
  const directory = makeDirectory(t);
  const { data } = await makeHistory(t, directory);
  const server = await Server.start(t, data, options(directory, '--check-every', '1'));
  const client = new Client(server.url);
  const metric = async (name) => {
    const { text } = await client.request('GET', '/metrics');
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)[1]);
  };
  const health = async () => (await client.get('/healthz')).status;
  await until('a check found nothing', () => /the check found the journal and/.test(server.stderr));
  assert.ok(Math.abs((await metric('tapline_integrity_last_ok_timestamp')) - Date.now() / 1000) < 60);
  assert.equal(await metric('tapline_replay_divergence_total'), 0);
  assert.equal(await metric('tapline_ledger_imbalance_micro'), 0);
  assert.equal(await health(), 'ok');
  const week = fs.readdirSync(data).find((name) => /^bets_\d{4}_w\d\d\.db$/.test(name));
  await sqlite(
    path.join(data, week),
    'c.execute("UPDATE bets SET stake = stake + 1 WHERE bet = (SELECT min(bet) FROM bets)")',
  );
  await until('the check has found it', () => /ALARM: the check of everything/.test(server.stderr));
  assert.match(server.stderr, new RegExp(`ALARM: the check of everything: .*${week}.*bets.*stake`));
  assert.ok((await metric('tapline_replay_divergence_total')) >= 1);
  assert.equal(await health(), 'check failed');
  client.close();
  await server.stop();
});

/** Edits under a running server that a sum would not show too, each alone and then undone: every one
 * is named with file, table, row and both values, counted, and forgotten when it is gone. */
test('each_edit_under_a_running_server_is_named', async (t) => {
  const directory = makeDirectory(t);
  const { data } = await makeHistory(t, directory);
  const server = await Server.start(t, data, options(directory, '--check-every', '1'));
  const client = new Client(server.url);
  const divergences = async () => {
    const { text } = await client.request('GET', '/metrics');
    return Number(/^tapline_replay_divergence_total (\S+)$/m.exec(text)[1]);
  };
  const health = async () => (await client.get('/healthz')).status;
  const good = () => server.stderr.match(/the check found the journal and/g)?.length ?? 0;
  const main = path.join(data, 'main.db');
  const name = fs.readdirSync(data).find((file) => /^bets_\d{4}_w\d\d\.db$/.test(file));
  const week = path.join(data, name);
  const balance = (by) => [main, `c.execute("UPDATE users SET balance = balance + ${by} WHERE id = 2")`];
  const first =
    '(SELECT seq, line FROM transaction_ledger WHERE user_id = 2 ORDER BY seq, line LIMIT 1)';
  const amount = (by) => [
    week,
    `c.execute("UPDATE transaction_ledger SET amount = amount + ${by} WHERE (seq, line) = ${first}")`,
  ];
  const aside = `c.execute("ATTACH '${path.join(directory, 'aside.db')}' AS aside")\n`;
  const remove = [
    week,
    `${aside}c.execute("CREATE TABLE aside.kept AS SELECT * FROM bets ORDER BY bet DESC LIMIT 1")\n` +
      'c.execute("DELETE FROM bets WHERE bet = (SELECT bet FROM aside.kept)")',
  ];
  const putBack = [
    week,
    `${aside}own = ",".join(row[1] for row in c.execute("PRAGMA main.table_info(bets)"))\n` +
      'c.execute(f"INSERT INTO main.bets ({own}) SELECT {own} FROM aside.kept")',
  ];
  const edits = [
    { edits: [balance(777)], undo: [balance(-777)], named: /main\.db.*users.*balance/ },
    { edits: [amount(5)], undo: [amount(-5)], named: new RegExp(`${name}.*transaction_ledger.*amount`) },
    { edits: [balance(9), amount(9)], undo: [amount(-9), balance(-9)], named: /users|transaction_ledger/ },
    { edits: [remove], undo: [putBack], named: new RegExp(`${name}.*bets.*missing`) },
  ];
  await until('no bet is open', async () => (await client.get('/v1/status')).reserved === '0');
  let counted = 0;
  for (const { edits: statements, undo, named } of edits) {
    const before = good();
    await until('a check found nothing', () => good() > before);
    assert.equal(await health(), 'ok');
    const from = server.stderr.length;
    for (const [file, script] of statements) {
      await sqlite(file, script);
    }
    const alarm = await until('the check has found it', () =>
      /ALARM: the check of everything: .*/.exec(server.stderr.slice(from)),
    );
    t.diagnostic(alarm[0]);
    assert.match(alarm[0], named);
    assert.match(alarm[0], /row \w+=\d+|no row/);
    assert.equal(await health(), 'check failed');
    const now = await divergences();
    assert.ok(now > counted, `${now} divergences`);
    for (const [file, script] of undo) {
      await sqlite(file, script);
    }
    const checks = good();
    await until('it is good again', () => good() > checks);
    counted = await divergences();
  }
  assert.equal(await health(), 'ok');
  client.close();
  await server.stop();
  await mustEnd(0, tapline('verify', '--data', data), 'verify');
});

/** A check reads files that are being written, as of one moment each: under load it never alarms. */
test('checks_under_load_raise_no_false_alarm', async (t) => {
  const directory = makeDirectory(t);
  const data = path.join(directory, 'data');
  const server = await Server.start(t, data, options(directory, '--check-every', '1'));
  const client = new Client(server.url);
  const wallets = [0, 1, 2, 3].map((i) => makeWallet('checks', i));
  await until(
    'the breaker is HEALTHY',
    async () => (await client.get('/v1/status')).breaker === 'HEALTHY',
  );
  let alive = true;
  const loading = load(client, wallets, () => alive);
  const good = () => server.stderr.match(/the check found the journal and/g)?.length ?? 0;
  await until(`${CHECKS} checks`, () => good() >= CHECKS || /ALARM/.test(server.stderr), {
    within: CHECKS * 10000,
  });
  alive = false;
  const answers = await loading;
  assert.doesNotMatch(server.stderr, /ALARM/);
  const { text } = await client.request('GET', '/metrics');
  assert.match(text, /^tapline_replay_divergence_total 0$/m);
  assert.match(text, /^tapline_ledger_imbalance_micro 0$/m);
  assert.ok(answers > CHECKS, `${answers} taps meanwhile`);
  client.close();
  await server.stop();
});
