// What a running server says has the shape that docs/API promises, no field less and none besides.
// tools/check-api compares the names in the sources; this compares the very bytes.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client, makeNonce, makeWallet, openCells, signTap } from './client/client.mjs';
import { Server, makeDirectory, until, writeMarket } from './harness.mjs';

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'docs', 'API');
const documents = Object.fromEntries(['openapi.json', 'asyncapi.json'].map((name) =>
  [name, JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8'))]));
const openapi = documents['openapi.json'];
const messages = documents['asyncapi.json'].components.messages;

function follow(reference, document) {
  const [file, pointer] = reference.split('#');
  const name = file || document;
  const value = pointer.split('/').slice(1).reduce((at, key) => at?.[key.replaceAll('~1', '/')], documents[name]);
  assert.ok(value, `${reference} leads nowhere`);
  return [value, name];
}

const kinds = {
  string: (value) => typeof value === 'string',
  integer: (value) => Number.isInteger(value),
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
  array: (value) => Array.isArray(value),
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
};
const known = new Set(['$ref', 'oneOf', 'type', 'const', 'enum', 'pattern', 'required', 'properties', 'items', 'minItems',
  'maxItems', 'maxProperties', 'minLength', 'maxLength', 'minimum', 'description', 'examples', 'additionalProperties',
  'x-codes']);

/** What is wrong with a value by a schema, as lines; a field that the schema does not name is wrong too. */
function problems(value, schema, document, where) {
  const wrong = [];
  for (const key of Object.keys(schema)) {
    assert.ok(known.has(key), `this check does not know the keyword ${key}`);
  }
  if (schema.$ref) {
    wrong.push(...problems(value, ...follow(schema.$ref, document), where));
  }
  if (schema.oneOf && schema.oneOf.filter((one) => problems(value, one, document, where).length === 0).length !== 1) {
    wrong.push(`${where}: ${JSON.stringify(value)} is not exactly one of ${JSON.stringify(schema.oneOf)}`);
  }
  if (schema.type && !kinds[schema.type](value)) {
    return [...wrong, `${where}: ${JSON.stringify(value)} is no ${schema.type}`];
  }
  if ('const' in schema && value !== schema.const) {
    wrong.push(`${where}: ${JSON.stringify(value)} is not ${schema.const}`);
  }
  if (schema.enum && !schema.enum.includes(value)) {
    wrong.push(`${where}: ${JSON.stringify(value)} is none of ${schema.enum}`);
  }
  if (schema.pattern && !new RegExp(schema.pattern).test(value)) {
    wrong.push(`${where}: ${JSON.stringify(value)} does not match ${schema.pattern}`);
  }
  if (value?.length < (schema.minItems ?? schema.minLength ?? 0) || value?.length > (schema.maxItems ?? schema.maxLength)
    || value < schema.minimum) {
    wrong.push(`${where}: ${JSON.stringify(value)} is out of bounds`);
  }
  if (schema.maxProperties !== undefined && Object.keys(value).length > schema.maxProperties) {
    wrong.push(`${where}: ${JSON.stringify(value)} has too many fields`);
  }
  for (const name of schema.required ?? []) {
    if (!(name in value)) {
      wrong.push(`${where}: no field ${name}`);
    }
  }
  if (schema.properties) {
    for (const [name, member] of Object.entries(value)) {
      wrong.push(...(schema.properties[name]
        ? problems(member, schema.properties[name], document, `${where}.${name}`) : [`${where}: undocumented ${name}`]));
    }
  }
  if (schema.items) {
    value.forEach((item, i) => wrong.push(...problems(item, schema.items, document, `${where}[${i}]`)));
  }
  return wrong;
}

/** Checks an answer against its operation; the content type as well. */
function checkAnswer(answer, method, template) {
  const operation = openapi.paths[template][method.toLowerCase()];
  const where = `${method} ${template} ${answer.status}`;
  let promised = operation.responses[answer.status] ?? operation.responses.default;
  assert.ok(operation.responses[answer.status] || answer.status >= 400, `${where} is not documented`);
  if (promised.$ref) {
    [promised] = follow(promised.$ref, 'openapi.json');
  }
  const [type] = (answer.headers['content-type'] ?? '').split(';');
  assert.ok(promised.content[type], `${where}: content type ${type}`);
  if (type === 'application/json') {
    assert.deepEqual(problems(answer.body, promised.content[type].schema, 'openapi.json', where), []);
  }
}

function checkMessage(key, message) {
  assert.ok(messages[key], `${key} is not documented: ${JSON.stringify(message)}`);
  assert.deepEqual(problems(message, messages[key].payload, 'asyncapi.json', key), []);
}

async function start(t) {
  const directory = makeDirectory(t);
  const server = await Server.start(t, path.join(directory, 'data'),
    ['--demo', '--market', writeMarket(directory, { column_ms: 1000, min_lead_ms: 1000 })]);
  const client = new Client(server.url);
  t.after(() => client.close());
  return { server, client };
}

test('every_answer_and_event_is_as_documented', async (t) => {
  const { server, client } = await start(t);
  const asked = new Set();
  const ask = async (method, template, fields = {}, options = {}) => {
    asked.add(`${method} ${template}`);
    const address = template.replace(/\{(\w+)\}/g, (_, name) => fields[name]) + (options.query ?? '');
    const answer = await client.request(method, address, options);
    checkAnswer(answer, method, template);
    return answer;
  };
  await until('the breaker is HEALTHY', async () => (await client.get('/v1/status')).breaker === 'HEALTHY');

  const wallet = makeWallet('documents', Date.now());
  const account = wallet.address;
  const answers = [];
  const events = [];
  const socket = await client.socket({ onEvent: (event) => events.push(event) });
  const op = async (name, fields) => {
    const answer = await socket.op(name, fields);
    checkMessage(`op_${name}`, { op: name, id: answer.id, ...fields });
    checkMessage(answer.type, answer);
    answers.push(answer.type);
    return answer;
  };
  for (const channel of ['index', 'grid', 'columns', 'status', 'account']) {
    await op('subscribe', { channel }); // account: refused, as nobody said auth
  }
  assert.deepEqual([...new Set(answers)].sort(), ['error', 'reply']);
  await ask('POST', '/v1/demo/deposit', {}, { body: { account, amount: '100000000' } });
  await ask('POST', '/v1/demo/deposit', {}, { body: { account, amount: '1.5' } });
  await socket.authenticate(wallet);
  await op('resume', { channel: 'account', after: '0' });
  await op('ping', {});
  await op('unsubscribe', { channel: 'columns' });
  await op('subscribe', { channel: 'columns' });

  const config = await client.config();
  const open = openCells(await client.grid(), config, 1500).sort((a, b) => Number(a.mult) - Number(b.mult));
  const sign = (fields) => signTap(wallet, client.origin,
    { column: open[0].column, band: open[0].band, stake: '1000000', config: config.config, ...fields });
  const time = await client.time();
  const first = sign({ time });
  await ask('POST', '/v1/bets', {}, { body: first });
  await ask('POST', '/v1/bets', {}, { body: first }); // 200, the bet
  await ask('POST', '/v1/bets', {}, { body: sign({ time, band: '1' }) }); // accepted, then rejected: no such cell
  await ask('POST', '/v1/bets', {}, { body: sign({ time: time - 60000 }) }); // TIME_SKEW carries the time
  await ask('POST', '/v1/bets', {}, { body: sign({ time, stake: '1' }) }); // LIMIT, before the journal
  await ask('POST', '/v1/bets', {}, { body: { ...first, nonce: makeNonce() } }); // BAD_SIGNATURE
  for (const cell of open.slice(1, 6)) { // some of the cells that pay least: the price does not leave them all
    await op('tap', sign({ time, column: cell.column, band: cell.band }));
  }
  await op('tap', sign({ time, column: '1' }));
  await until('a bet is settled', () => events.some((event) => event.type === 'bet:settled'));
  await ask('GET', '/v1/bets/{bet}', { bet: events.find((event) => event.type === 'bet:settled').bet });
  await until('the first column is settled', async () =>
    (await client.request('GET', `/v1/columns/${first.column}`)).status === 200);

  await ask('GET', '/v1/bets/{bet}', { bet: '1' });
  await ask('GET', '/v1/bets/by-nonce/{account}/{nonce}', { account, nonce: first.nonce });
  await ask('GET', '/v1/accounts/{account}', { account });
  await ask('GET', '/v1/accounts/{account}', { account: '0x00' });
  await ask('GET', '/v1/accounts/{account}/bets', { account }, { query: '?limit=1' });
  await ask('GET', '/v1/accounts/{account}/bets', { account }, { query: '?state=nope' });
  await ask('GET', '/v1/accounts/{account}/ledger', { account }, { query: '?ref_type=BET_HOLD&limit=200' });
  await ask('GET', '/v1/columns/{column}', { column: first.column });
  await ask('GET', '/v1/columns/{column}', { column: '1' });
  await ask('GET', '/v1/config/{epoch}', { epoch: 'current' });
  await ask('GET', '/v1/config/{epoch}', { epoch: '99' });
  for (const template of Object.keys(openapi.paths)) {
    if (!template.includes('{') && openapi.paths[template].get) {
      await ask('GET', template);
    }
  }
  const all = Object.entries(openapi.paths).flatMap(([template, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${template}`));
  assert.deepEqual(all.filter((one) => !asked.has(one)), [], 'documented, and not asked here');

  // More events than a resume replays: the account comes as a snapshot.
  const rich = makeWallet('documents rich', 0);
  for (let i = 0; i < 11; i += 1) {
    await Promise.all(Array.from({ length: 100 }, () => client.deposit(rich.address, 1)));
  }
  await socket.authenticate(rich);
  await op('resume', { channel: 'account', after: '0' });
  await until('the snapshot', () => events.some((event) => event.type === 'account:snapshot'));

  await server.stop();
  await until('the socket is closed', () => socket.closed);
  for (const event of events) {
    checkMessage(`event_${event.type.replace(':', '_')}`, event);
  }
  const seen = new Set(events.map((event) => event.type));
  const never = Object.keys(messages).filter((key) => key.startsWith('event_')).map((key) => messages[key].name)
    .filter((name) => !seen.has(name));
  assert.deepEqual(never, [], 'documented, and not seen here');
});
