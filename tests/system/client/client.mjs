// A player's program, written against the published interface alone: wallets, signed texts, HTTP
// and WebSocket. It shares nothing with the server and believes nothing it is told: every answer
// and event can be kept as a JSON line with its time of receipt, for others to compare.

import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { Wallet, keccak256, toUtf8Bytes } from 'ethers';
import WebSocket from 'ws';

/** The wallet number `index` of a seed: the same for ever. */
export function makeWallet(seed, index) {
  return new Wallet(keccak256(toUtf8Bytes(`${seed}/${index}`)));
}

export function makeNonce() {
  return randomBytes(16).toString('hex');
}

/** The exact bytes of a tap that a player signs. */
export function tapText(origin, tap) {
  return [
    'tap-bet-v1',
    `origin: ${origin}`,
    `account: ${tap.account}`,
    `market: ${tap.market}`,
    `column: ${tap.column}`,
    `band: ${tap.band}`,
    `stake: ${tap.stake}`,
    `min_mult: ${tap.min_mult}`,
    `config: ${tap.config}`,
    `nonce: ${tap.nonce}`,
    `time: ${tap.time}`,
  ].join('\n');
}

export function authText(origin, auth) {
  return [
    'tap-auth-v1',
    `origin: ${origin}`,
    `account: ${auth.account}`,
    `nonce: ${auth.nonce}`,
    `time: ${auth.time}`,
  ].join('\n');
}

/** The body of POST /v1/bets, signed. Fields of `tap` win over the defaults. */
export function signTap(wallet, origin, tap) {
  const body = {
    account: wallet.address,
    market: 'BTC-USD',
    min_mult: '100',
    config: '1',
    nonce: makeNonce(),
    ...tap,
  };
  for (const [name, value] of Object.entries(body)) {
    body[name] = String(value);
  }
  body.sig = wallet.signMessageSync(tapText(origin, body));
  return body;
}

/** Appends JSON lines to a stream, or does nothing without one. */
class Log {
  constructor(stream) {
    this.stream = stream;
  }

  write(entry) {
    if (this.stream) {
      this.stream.write(`${JSON.stringify({ received: Date.now(), ...entry })}\n`);
    }
  }
}

export class Client {
  /** url: `http://host:port`; log: a writable stream, optional; sockets: parallel connections. */
  constructor(url, { log, sockets = 64 } = {}) {
    this.url = url;
    this.origin = url;
    this.log = new Log(log);
    this.agent = new http.Agent({ keepAlive: true, maxSockets: sockets });
  }

  close() {
    this.agent.destroy();
  }

  /** One request. Resolves to {status, headers, text, body}; rejects when the connection breaks. */
  request(method, path, { body, headers = {}, raw } = {}) {
    const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const all = { ...headers };
    if (payload !== undefined) {
      all['Content-Type'] ??= 'application/json';
      all['Content-Length'] ??= Buffer.byteLength(payload);
    }
    return new Promise((resolve, reject) => {
      const request = http.request(
        this.url + path,
        { method, headers: all, agent: this.agent },
        (response) => {
          const pieces = [];
          response.on('error', reject);
          response.on('data', (piece) => pieces.push(piece));
          response.on('end', () => {
            const text = Buffer.concat(pieces).toString();
            let parsed;
            try {
              parsed = JSON.parse(text);
            } catch {
              parsed = undefined;
            }
            const answer = {
              status: response.statusCode,
              headers: response.headers,
              text,
              body: parsed,
            };
            this.log.write({
              via: 'http',
              method,
              path,
              sent: body,
              status: answer.status,
              body: parsed,
            });
            resolve(answer);
          });
        },
      );
      request.on('error', reject);
      request.setTimeout(30000, () =>
        request.destroy(new Error(`${method} ${path}: no answer in 30 s`)),
      );
      request.end(payload);
    });
  }

  /** GET that must succeed; the parsed body. */
  async get(path) {
    const answer = await this.request('GET', path);
    if (answer.status !== 200) {
      throw new Error(`GET ${path}: ${answer.status} ${answer.text}`);
    }
    return answer.body;
  }

  async time() {
    return Number((await this.get('/v1/time')).time);
  }

  /** The cells on offer; asks again while a server that just began has no price yet. */
  async grid() {
    for (let i = 0; ; i += 1) {
      const { status, text, body } = await this.request('GET', '/v1/grid');
      if (status === 200) {
        return body;
      }
      if (body?.error?.code !== 'OVERLOADED' || i === 50) {
        throw new Error(`GET /v1/grid: ${status} ${text}`);
      }
      await new Promise((resolve) => {
        setTimeout(resolve, Number(body.error.retry_after_ms));
      });
    }
  }

  config() {
    return this.get('/v1/config/current');
  }

  /** The configuration, also of a server that printed its ready line a moment ago. */
  async settledConfig() {
    for (let i = 0; ; i += 1) {
      const { status, text, body } = await this.request('GET', '/v1/config/current');
      if (status === 200) {
        return body;
      }
      if (i === 50) {
        throw new Error(`GET /v1/config/current: ${status} ${text}`);
      }
      await new Promise((resolve) => {
        setTimeout(resolve, 100);
      });
    }
  }

  account(address) {
    return this.get(`/v1/accounts/${address}`);
  }

  /** Every page of .../bets or .../ledger, oldest first. */
  async pages(path, field) {
    const all = [];
    let before = '';
    for (;;) {
      const page = await this.get(`${path}?limit=200${before}`);
      all.push(...page[field]);
      if (page.next === null) {
        return all.reverse();
      }
      before = `&before=${page.next}`;
    }
  }

  async deposit(account, amount, ref) {
    const body = { account, amount: String(amount), ...(ref === undefined ? {} : { ref }) };
    const answer = await this.request('POST', '/v1/demo/deposit', { body });
    if (answer.status !== 200) {
      throw new Error(`deposit: ${answer.status} ${answer.text}`);
    }
    return answer.body;
  }

  postTap(body) {
    return this.request('POST', '/v1/bets', { body });
  }

  socket(options) {
    return Socket.open(this, options);
  }
}

/** One WebSocket connection: ops with their answers, and the events that come besides. */
export class Socket {
  static open(client, { onEvent } = {}) {
    const socket = new Socket(client, onEvent);
    return new Promise((resolve, reject) => {
      socket.ws.once('open', () => resolve(socket));
      socket.ws.once('error', reject);
    });
  }

  constructor(client, onEvent) {
    this.client = client;
    this.onEvent = onEvent;
    this.events = [];
    this.pending = new Map();
    this.ids = 0;
    this.closed = false;
    this.ws = new WebSocket(`${client.url.replace(/^http/, 'ws')}/v1/ws`, 'tapline.v1', {
      perMessageDeflate: false,
    });
    this.ws.on('message', (data) => this.#receive(JSON.parse(data.toString())));
    this.ws.on('error', () => {});
    this.ws.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      for (const { reject } of this.pending.values()) {
        reject(new Error(`socket closed with ${code} ${reason}`));
      }
      this.pending.clear();
    });
  }

  #receive(message) {
    this.client.log.write({ via: 'ws', message });
    if (message.type === 'reply' || message.type === 'error') {
      const waiting = this.pending.get(message.id);
      if (!waiting) {
        throw new Error(`an answer to nothing: ${JSON.stringify(message)}`);
      }
      this.pending.delete(message.id);
      waiting.resolve(message);
    } else {
      this.events.push(message);
      this.onEvent?.(message);
    }
  }

  /** Sends one op; resolves to its {type: reply|error, ...}. Rejects when the connection breaks. */
  op(op, fields = {}) {
    this.ids += 1;
    const id = `op-${this.ids}`;
    return new Promise((resolve, reject) => {
      if (this.closed) {
        reject(new Error('socket is closed'));
        return;
      }
      this.pending.set(id, { resolve, reject });
      this.ws.send(JSON.stringify({ op, id, ...fields }));
    });
  }

  async must(op, fields) {
    const answer = await this.op(op, fields);
    if (answer.type !== 'reply') {
      throw new Error(`${op}: ${JSON.stringify(answer.error)}`);
    }
    return answer.result;
  }

  subscribe(channel) {
    return this.must('subscribe', { channel });
  }

  /** Proves the wallet to the server with a signed text. */
  async authenticate(wallet) {
    const auth = {
      account: wallet.address,
      time: String(await this.client.time()),
      nonce: makeNonce(),
    };
    auth.sig = wallet.signMessageSync(authText(this.client.origin, auth));
    return this.must('auth', auth);
  }

  resume(after) {
    return this.must('resume', { channel: 'account', after: String(after) });
  }

  close() {
    return new Promise((resolve) => {
      if (this.closed) {
        resolve();
        return;
      }
      this.ws.once('close', resolve);
      this.ws.close(1000);
    });
  }

  /** Drops the connection without a word. */
  terminate() {
    this.ws.terminate();
  }
}

/** Numbers that are the same for the same seed (xorshift32), for choices a failure must repeat. */
export class Choices {
  constructor(seed) {
    this.state = seed >>> 0 || 1;
  }

  below(limit) {
    this.state ^= this.state << 13;
    this.state >>>= 0;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    this.state >>>= 0;
    return this.state % limit;
  }

  of(list) {
    return list[this.below(list.length)];
  }
}

/** The cells of a grid that can still be tapped, with `spare` ms to get there. */
export function openCells(grid, config, spare = 0) {
  const cells = [];
  const latest =
    Number(grid.time) + Number(config.pricing_delay_ms) + Number(config.min_lead_ms) + spare;
  for (const column of grid.columns) {
    if (column.open && Number(column.column) >= latest) {
      for (const cell of column.cells) {
        cells.push({ column: column.column, band: cell.band, mult: cell.mult });
      }
    }
  }
  return cells;
}
