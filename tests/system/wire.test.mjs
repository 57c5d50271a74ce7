// Bytes that no well-behaved client sends, to a real server over TCP: the request cases of llhttp, the
// WebSocket cases of Autobahn and of the frame generator that must fail, and compressed frames. Nothing
// bad is taken, everything good is answered, and the server lives and drains cleanly after each family.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';
import { Client } from './client/client.mjs';
import { Server, makeDirectory, sharedFile, until } from './harness.mjs';

const QUIET_MS = 400; // without a byte for so long the server waits for more
const VERDICT_MS = 5000; // for a server that must close
const AT_ONCE = 16; // cases under way together
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='; // of KEY: RFC 6455 section 1.3
const MASK = Buffer.from('37fa213d', 'hex');
const TEXT = 1;
const CLOSE = 8;
const PONG = 10;

/** A connection that keeps what it gets. Our side stays open until `end`. */
class Wire {
  static async open(url) {
    const wire = new Wire();
    wire.got = Buffer.alloc(0);
    wire.closed = false;
    const { hostname, port } = new URL(url);
    wire.socket = net.connect({ port: Number(port), host: hostname, allowHalfOpen: true });
    wire.socket.setNoDelay(true);
    wire.socket.on('data', (piece) => { wire.got = Buffer.concat([wire.got, piece]); });
    wire.socket.on('end', () => { wire.closed = true; });
    wire.socket.on('error', () => { wire.closed = true; }); // a reset ends it as well
    await once(wire.socket, 'connect');
    return wire;
  }

  /** Writes all of it, in pieces of `chop` bytes; less when the server closes meanwhile. */
  async write(bytes, chop = bytes.length) {
    for (let at = 0; at < bytes.length && !this.closed; at += chop) {
      await new Promise((resolve) => {
        this.socket.write(bytes.subarray(at, at + chop), resolve); // its error is heard above
      });
    }
  }

  /** Waits until `done()`, the server's end, or the given quiet; whether it was not the quiet. */
  async wait(done, quiet) {
    let length = this.got.length;
    let since = Date.now();
    while (!this.closed && !done()) {
      await new Promise((resolve) => { setTimeout(resolve, 2); });
      if (this.got.length !== length) {
        length = this.got.length;
        since = Date.now();
      } else if (Date.now() - since > quiet) {
        return false;
      }
    }
    return true;
  }

  /** Ends our side; the server must end the connection. */
  async end(what) {
    this.socket.end();
    const ended = await this.wait(() => false, VERDICT_MS);
    this.socket.destroy();
    assert.ok(ended, `${what}: the server keeps a connection that its peer has ended`);
  }
}

/** The statuses of the HTTP answers in `bytes`; throws unless these are answers from end to end. */
function answersIn(bytes, { head = false } = {}) {
  const statuses = [];
  let at = 0;
  while (at < bytes.length) {
    const end = bytes.indexOf('\r\n\r\n', at);
    assert.ok(end >= 0, `a head without end: ${bytes.subarray(at, at + 200)}`);
    const [first, ...fields] = bytes.subarray(at, end).toString('latin1').split('\r\n');
    const status = /^HTTP\/1\.1 ([1-5]\d\d) [\x20-\x7e]+$/.exec(first);
    assert.ok(status, `no status line: ${first}`);
    const lengths = [];
    for (const field of fields) {
      const parts = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\t]*)$/.exec(field);
      assert.ok(parts, `no header field: ${field}`);
      if (parts[1].toLowerCase() === 'content-length') {
        lengths.push(Number(parts[2]));
      }
    }
    const bare = Number(status[1]) < 200 || status[1] === '204' || status[1] === '304';
    assert.ok(bare || lengths.length === 1, `${first}: ${lengths.length} times Content-Length`);
    at = end + 4 + (bare || head ? 0 : lengths[0]);
    assert.ok(at <= bytes.length, `${first}: the body is cut off`);
    statuses.push(Number(status[1]));
  }
  return statuses;
}

/** Every HTTP/1.1 request needs a Host, and most cases were written without. Puts one behind the first
 *  line, so that a case is judged for what it is about. */
function withHost(input) {
  const end = input.indexOf('\r\n');
  if (end < 0 || /\nhost:/i.test(input.toString('latin1'))) {
    return input;
  }
  return Buffer.concat([input.subarray(0, end + 2), Buffer.from('Host: vector.example\r\n'),
    input.subarray(end + 2)]);
}

/** Sends a case; its answers, and whether the server ended the connection by itself. A bad case that is
 *  cut off before its fault is complete has its head completed. */
async function exchange(url, name, input, { bad, whole }) {
  const wire = await Wire.open(url);
  const isAnswered = () => wire.got.length > 0;
  await wire.write(input);
  await wire.wait(isAnswered, whole ? VERDICT_MS : QUIET_MS);
  if (bad && !isAnswered() && !wire.closed) {
    await wire.write(Buffer.from('\r\n\r\n'));
    await wire.wait(isAnswered, VERDICT_MS);
  }
  await wire.wait(() => false, QUIET_MS);
  const closed = wire.closed;
  await wire.end(name);
  return { statuses: answersIn(wire.got, { head: input.subarray(0, 5).equals(Buffer.from('HEAD ')) }), closed };
}

/** Runs `judge` on all cases, some at once; `judge` throws for a bad one. */
async function each(cases, judge) {
  const waiting = cases.slice();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (waiting.length > 0) {
      await judge(waiting.shift());
    }
  }));
}

/** Starts a server for one family, or skips the test without its vectors. */
async function family(t, file) {
  const vectors = sharedFile(t, path.join('vectors', file));
  if (vectors === null) {
    return null;
  }
  const cases = JSON.parse(fs.readFileSync(vectors, 'utf8'));
  assert.ok(cases.length > 0);
  const server = await Server.start(t, path.join(makeDirectory(t), 'data'), ['--demo']);
  return { cases, server, url: server.url };
}

/** It still answers, and drains with exit code 0 and no connection to wait for. */
async function survives(server) {
  const client = new Client(server.url);
  assert.equal((await client.request('GET', '/livez')).status, 200);
  await until('no socket is left over', async () => (await client.get('/v1/status')).clients === '0',
    { within: VERDICT_MS });
  client.close();
  await server.stop();
}

/** 404 and 405 say that a request was understood, but for a path or with a method not served here; 505 is
 *  the answer to a version. */
function isRefusal(status) {
  return (status >= 400 && status < 500 && status !== 404 && status !== 405) || status === 505;
}

/** A whole request that llhttp takes has an answer; these three are cut off in what is good so far. */
const CUT_OFF = ['It should be unsafe to finish inside of the header',
  'Content-Length reset when no body is received', 'Spaces in `Content-Length` (surrounding)'];

test('bad_requests_get_4xx_or_a_close_and_good_ones_an_answer', async (t) => {
  const world = await family(t, 'http1_llhttp/requests.json');
  if (world === null) {
    return;
  }
  const { cases, server, url } = world;
  const counts = { refused: 0, answered: 0 };
  await each(cases, async ({ title, input_hex: hex, reject, lenient }) => {
    const input = Buffer.from(hex, 'hex');
    const bad = reject || lenient; // what llhttp takes with a flag alone is bad here
    const whole = !bad && !CUT_OFF.includes(title);
    for (const bytes of bad ? [input, withHost(input)] : [withHost(input)]) {
      const { statuses, closed } = await exchange(url, title, bytes, { bad, whole });
      const said = `${title}: ${statuses.join(' ')}${closed ? ' and a close' : ''}`;
      if (bad) {
        assert.ok(statuses.every((status) => status < 200 || status >= 300), said);
        assert.ok(statuses.length === 0 ? closed : statuses.some(isRefusal), said);
        counts.refused += 1;
      } else if (whole) {
        assert.ok(statuses.length > 0, said);
        counts.answered += 1;
      }
    }
  });
  t.diagnostic(`${counts.refused} refused, ${counts.answered} answered`);
  assert.ok(counts.refused > 0 && counts.answered > 0);
  await survives(server);
});

/** A connection after a real upgrade; what comes from then on are frames. */
async function upgraded(url, fields = '') {
  const wire = await Wire.open(url);
  await wire.write(Buffer.from(`GET /v1/ws HTTP/1.1\r\nHost: ${new URL(url).host}\r\nUpgrade: websocket\r\n`
    + `Connection: Upgrade\r\nSec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n`
    + `Sec-WebSocket-Protocol: tapline.v1\r\n${fields}\r\n`));
  await wire.wait(() => wire.got.includes('\r\n\r\n'), VERDICT_MS);
  const end = wire.got.indexOf('\r\n\r\n');
  const answer = wire.got.subarray(0, end).toString();
  assert.match(answer, /^HTTP\/1\.1 101 /);
  assert.ok(answer.includes(`\r\nSec-WebSocket-Accept: ${ACCEPT}`), answer);
  assert.doesNotMatch(answer, /extensions/i, 'no extension is ever negotiated');
  wire.got = wire.got.subarray(end + 4);
  return wire;
}

/** The whole frames of a server in `bytes`; throws on one that no server may send. */
function framesIn(bytes) {
  const frames = [];
  let at = 0;
  while (at + 2 <= bytes.length) {
    assert.equal(bytes[at] & 0xf0, 0x80, 'final, no reserved bits');
    assert.equal(bytes[at + 1] & 0x80, 0, 'a server does not mask');
    let length = bytes[at + 1];
    let head = 2;
    if (length === 126 && at + 4 <= bytes.length) {
      length = bytes.readUInt16BE(at + 2);
      head = 4;
    } else if (length === 127 && at + 10 <= bytes.length) {
      length = Number(bytes.readBigUInt64BE(at + 2));
      head = 10;
    }
    if (at + head + length > bytes.length) {
      break;
    }
    frames.push({ opcode: bytes[at] & 15, payload: bytes.subarray(at + head, at + head + length) });
    at += head + length;
  }
  return frames;
}

/** Waits for the verdict while our side stays open, then ends. {code: 0 without a close frame, texts,
 *  pongs}. */
async function verdict(wire, name) {
  const isClosed = () => framesIn(wire.got).some((frame) => frame.opcode === CLOSE);
  const fell = await wire.wait(isClosed, VERDICT_MS);
  assert.ok(fell, `${name}: neither failed nor closed`);
  await wire.end(name);
  const frames = framesIn(wire.got);
  const at = frames.findIndex((frame) => frame.opcode === CLOSE);
  if (at >= 0) {
    assert.equal(at, frames.length - 1, `${name}: frames behind the close frame`);
  }
  const code = at < 0 || frames[at].payload.length < 2 ? 0 : frames[at].payload.readUInt16BE(0);
  return {
    code,
    texts: frames.filter(({ opcode }) => opcode === TEXT),
    pongs: frames.filter(({ opcode }) => opcode === PONG).map(({ payload }) => payload.toString('hex')),
  };
}

/** The bytes of one Autobahn step: as recorded, or a long frame of a repeated unit. */
function bytesOf(step) {
  if (step.wire_hex !== undefined) {
    return Buffer.from(step.wire_hex, 'hex');
  }
  const unit = Buffer.from(step.payload_repeat_hex, 'hex');
  const wide = step.payload_len > 0xffff;
  const head = Buffer.alloc(wide ? 14 : 8);
  head[0] = (step.fin ? 0x80 : 0) | step.opcode;
  head[1] = 0x80 | (wide ? 127 : 126);
  if (wide) {
    head.writeBigUInt64BE(BigInt(step.payload_len), 2);
  } else {
    head.writeUInt16BE(step.payload_len, 2);
  }
  MASK.copy(head, head.length - 4);
  const payload = Buffer.alloc(step.payload_len);
  for (let i = 0; i < payload.length; i += 1) {
    payload[i] = unit[i % unit.length] ^ MASK[i % 4];
  }
  return Buffer.concat([head, payload]);
}

test('autobahn_cases_that_must_fail_do', async (t) => {
  const world = await family(t, 'websocket/autobahn_cases.json');
  if (world === null) {
    return;
  }
  const { cases, server, url } = world;
  const failing = cases.filter((item) => item.expected_close.closed_by_tester === false);
  assert.ok(failing.length > 0);
  await each(failing, async ({ id, steps, expected_close: { codes }, expected_events: events }) => {
    const name = `case ${id}`;
    const wire = await upgraded(url);
    for (const step of steps) {
      if (step.op === 'send' || step.op === 'send_close') {
        await wire.write(bytesOf(step), step.tcp_chop_bytes);
      }
    }
    const { code, texts } = await verdict(wire, name);
    assert.ok(codes.includes(code), `${name}: ${code}, not ${codes}`);
    const good = Math.max(...Object.values(events).map((list) => (
      list.filter(([kind]) => kind === 'message').length)));
    assert.ok(texts.length <= good, `${name}: ${texts.length} texts answered, ${good} were whole`);
  });
  t.diagnostic(`${failing.length} failed`);
  await survives(server);
});

test('generated_sequences_that_must_fail_do', async (t) => {
  const world = await family(t, 'websocket/frames.json');
  if (world === null) {
    return;
  }
  const { cases, server, url } = world;
  const failing = cases.filter((item) => item.expect === 'fail');
  assert.ok(failing.length > 0);
  await each(failing, async ({ name, wire_hex: hex, chunks, ws: { events } }) => {
    const bytes = Buffer.from(hex, 'hex');
    const wire = await upgraded(url);
    let at = 0;
    for (const count of [...chunks, bytes.length]) {
      await wire.write(bytes.subarray(at, at + count));
      at += count;
    }
    const { code, texts, pongs } = await verdict(wire, name);
    // A binary message that is whole ends the connection by policy, before the rest is looked at.
    const binary = events.findIndex(([kind]) => kind === 'binary');
    const seen = binary < 0 ? events : events.slice(0, binary);
    const allowed = binary < 0 ? [1002, 1007, 1009] : [1003];
    assert.ok(allowed.includes(code), `${name}: ${code}, not ${allowed}`);
    const good = seen.filter(([kind]) => kind === 'text').length;
    assert.ok(texts.length <= good, `${name}: ${texts.length} texts answered, ${good} were whole`);
    assert.deepEqual(pongs, seen.filter(([kind]) => kind === 'ping').map(([, payload]) => payload), name);
  });
  t.diagnostic(`${failing.length} failed`);
  await survives(server);
});

/** Compression is never negotiated, so every compressed frame fails and no bomb goes off. */
test('compressed_frames_fail', async (t) => {
  const world = await family(t, 'websocket/permessage_deflate.json');
  if (world === null) {
    return;
  }
  const { cases, server, url } = world;
  await each(cases, async ({ name, wire_hex: hex }) => {
    const wire = await upgraded(url,
      'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n');
    await wire.write(Buffer.from(hex, 'hex'));
    const { code, texts } = await verdict(wire, name);
    assert.equal(code, 1002, name);
    assert.equal(texts.length, 0, name);
  });
  await survives(server);
});
