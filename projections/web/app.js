// The plain page: draws what the server published, asks a wallet to sign a tap, and shows only what the
// server has made durable. No state of its own but the market it was told and the account asked for.
const market = { ticks: [], grid: null, config: null };
const bets = new Map(); // by bet id, or by nonce while pending
const TICKS_KEPT = 300;
const UNKNOWN_MS = 40000; // a tap is refused when it is 30 s old, so one not seen by then never was
let account = ''; // whose bets are shown
let signer = ''; // the wallet's address
let provider = null;

const $ = (id) => document.getElementById(id);
const say = (text) => { $('word').textContent = text; };
const usd = (micro) => (Number(micro) / 1e6).toFixed(2);
const price = (e4) => (Number(e4) / 1e4).toFixed(2);
const times = (centi) => (Number(centi) / 100).toFixed(2);
const clock = (ms) => new Date(Number(ms)).toISOString().slice(11, 19);

// Resolves to the answer's body. An error with `refused` set is one that the server answered and that did
// nothing; any other leaves the outcome unknown.
async function ask(path, body) {
  const answer = await fetch(path, body && {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
  }).catch(() => { throw new Error('The server does not answer.'); });
  const told = await answer.json();
  if (answer.ok) return told;
  throw Object.assign(new Error(`${told.error.code}: ${told.error.message}`), { refused: told.error.code !== 'INTERNAL' });
}

// --- The market, over the WebSocket. ------------------------------------------------------------------

function addTicks(ticks) {
  const last = market.ticks.at(-1)?.time ?? 0;
  for (const tick of ticks) {
    const time = Number(tick.time);
    if (time > last) market.ticks.push({ time, price: tick.price === null ? null : Number(tick.price) });
  }
  market.ticks.splice(0, market.ticks.length - TICKS_KEPT);
  const now = market.ticks.findLast((tick) => tick.price !== null);
  if (now) $('price').textContent = price(now.price);
}

async function readConfig(epoch) {
  if (market.config?.config !== epoch) market.config = await ask('/v1/config/current');
}

function take(event) {
  if (event.type === 'index:tick') {
    addTicks([{ time: event.tick, price: event.price }]);
  } else if (event.type === 'grid:snapshot') {
    market.grid = event;
    readConfig(event.config).catch((error) => say(error.message));
  } else if (event.type === 'grid:delta') {
    merge(event);
  } else if (event.type === 'status') {
    $('state').textContent = event.breaker + (event.warm ? '' : ', warming up') + (event.draining ? ', draining' : '');
    $('state').dataset.state = event.breaker;
    readConfig(event.config).catch((error) => say(error.message));
  } else if (event.type === 'server:shutdown') {
    say(`The server is shutting down: ${event.reason}`);
  } else if (event.type === 'column:settled') {
    refresh();
  }
}

// A delta holds changed cells only; multiplier "0" is a cell that was withdrawn.
function merge(delta) {
  if (!market.grid) { // subscribed before there was a price: a new subscription begins with a snapshot
    for (const op of ['unsubscribe', 'subscribe']) socket.send(JSON.stringify({ op, channel: 'grid' }));
    return;
  }
  for (const changed of delta.columns) {
    let column = market.grid.columns.find((c) => c.column === changed.column);
    if (!column) {
      column = { ...changed, cells: [] };
      market.grid.columns.push(column);
    }
    column.open = changed.open;
    for (const cell of changed.cells) {
      column.cells = column.cells.filter((c) => c.band !== cell.band);
      if (cell.mult !== '0') column.cells.push(cell);
    }
  }
  market.grid.columns = market.grid.columns.filter((c) => Number(c.column) > Number(delta.time));
  market.grid.tick = delta.tick;
  market.grid.config = delta.config;
}

let socket = null;
let tries = 0;
function connect() {
  socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/v1/ws`, 'tapline.v1');
  socket.onopen = () => {
    tries = 0;
    market.grid = null;
    say('Tap a cell to bet. It wins if the price is in its band when its column closes.');
    for (const channel of ['index', 'grid', 'columns', 'status']) {
      socket.send(JSON.stringify({ op: 'subscribe', channel }));
    }
    ask('/v1/index').then((index) => {
      const since = market.ticks.splice(0); // those that came meanwhile, and those before a lost connection
      addTicks([...since, ...index.ticks].sort((a, b) => Number(a.time) - Number(b.time)));
    }).catch((error) => say(error.message));
  };
  socket.onmessage = (message) => take(JSON.parse(message.data));
  socket.onclose = () => {
    $('state').textContent = 'offline';
    $('state').dataset.state = 'offline';
    tries += 1;
    if (tries === 2) explainOffline();
    setTimeout(connect, Math.random() * Math.min(5000, 250 * 2 ** tries)); // full jitter
  };
}

// A browser does not tell why a WebSocket failed. When plain requests succeed, it is the page's address.
async function explainOffline() {
  try {
    await ask('/v1/time');
    say(`The server does not take WebSockets from pages of ${location.origin}: open the address that it printed `
      + 'when it was ready, or start it with --origin and this one.');
  } catch {
    say('The server cannot be reached; trying again.');
  }
}

// --- Drawing. -----------------------------------------------------------------------------------------

const canvas = $('grid');
const view = { cells: [], chosen: null, byKeys: false }; // what is on the canvas; the cell that was chosen, and how

const same = (a, b) => a && b && a.column.column === b.column.column && a.cell.band === b.cell.band;

function draw() {
  requestAnimationFrame(draw);
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext('2d');
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const last = market.ticks.findLast((tick) => tick.price !== null);
  if (!last || !market.grid || !market.config) return;
  const step = Number(market.config.column_ms);
  const ahead = step * (Number(market.config.columns) + 1);
  const labels = 60; // px at the right for prices
  const perMs = Math.max((width * 0.6 - labels) / ahead, 40 / step); // narrow screens show fewer columns
  const left = Math.max(width * 0.2, width - labels - ahead * perMs);
  const now = market.ticks.at(-1).time;
  const band = Number(market.grid.columns[0]?.band_e4 ?? market.config.band_e4);
  const x = (time) => left + (time - now) * perMs;
  const y = (value) => (height - 20) / 2 - (value - last.price) * ((height - 20) / (band * 16));
  pen.font = '11px ui-monospace, monospace';
  pen.textBaseline = 'middle';
  drawCells(pen, { x, y, width: width - labels, height: height - 20, step });
  drawBets(pen, { x, y, step, now });
  drawLabels(pen, { x, y, width, height, band, last, labels, step });
  drawLine(pen, x, y);
}

function drawCells(pen, { x, y, width, height, step }) {
  const ink = getComputedStyle(document.body).color;
  pen.textAlign = 'center';
  view.cells = [];
  for (const column of market.grid.columns) {
    const close = Number(column.column);
    for (const cell of column.cells) {
      const box = { left: x(close - step), right: x(close), top: y(Number(cell.hi)), bottom: y(Number(cell.lo)) };
      if (box.top < 0 || box.bottom > height || box.right > width) continue;
      const shown = { ...box, column, cell };
      view.cells.push(shown);
      pen.fillStyle = pen.strokeStyle = ink;
      if (column.open && same(shown, view.chosen)) {
        pen.globalAlpha = 0.15;
        pen.fillRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
      }
      pen.globalAlpha = 0.3;
      pen.lineWidth = 1;
      pen.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
      pen.globalAlpha = column.open ? 1 : 0.4;
      pen.fillText(times(cell.mult), (box.left + box.right) / 2, (box.top + box.bottom) / 2);
    }
  }
  pen.globalAlpha = 1;
}

function drawBets(pen, { x, y, step, now }) {
  for (const bet of bets.values()) {
    const close = Number(bet.column);
    if (close < now - step || !bet.lo) continue;
    pen.fillStyle = { won: '#178a4c', lost: '#888', void: '#888', rejected: '#888', confirmed: '#2a6fdb' }[bet.state] ?? '#b37400';
    pen.globalAlpha = bet.state === 'confirmed' ? 0.5 : 0.25;
    pen.fillRect(x(close - step), y(Number(bet.hi)), step * (x(1) - x(0)), y(Number(bet.lo)) - y(Number(bet.hi)));
  }
  pen.globalAlpha = 1;
}

// Band edges at the right, closing times below.
function drawLabels(pen, { x, y, width, height, band, last, labels, step }) {
  pen.fillStyle = getComputedStyle(document.body).color;
  pen.globalAlpha = 0.6;
  pen.textAlign = 'left';
  const middle = Math.floor(last.price / band);
  for (let i = -7; i <= 8; i += 1) {
    pen.fillText(price((middle + i) * band).replace(/\.00$/, ''), width - labels + 6, y((middle + i) * band));
  }
  pen.textAlign = 'right';
  let free = 0;
  for (const close of market.grid.columns.map((c) => Number(c.column)).sort((a, b) => a - b)) {
    if (x(close) > width - labels || x(close) - 60 < free) continue;
    pen.fillText(clock(close), x(close), height - 9);
    free = x(close) + 2;
  }
  pen.globalAlpha = 1;
}

function drawLine(pen, x, y) {
  pen.strokeStyle = '#2a6fdb';
  pen.lineWidth = 2;
  pen.beginPath();
  let before = null; // the line is broken where ticks are missing
  for (const tick of market.ticks) {
    if (tick.price !== null && before !== null && tick.time - before <= 1000) pen.lineTo(x(tick.time), y(tick.price));
    else if (tick.price !== null) pen.moveTo(x(tick.time), y(tick.price));
    before = tick.price === null ? null : tick.time;
  }
  pen.stroke();
}

// --- Choosing a cell, by pointer or keys. -------------------------------------------------------------

const under = (event) => view.cells.find((c) => event.offsetX >= c.left && event.offsetX < c.right
  && event.offsetY >= c.top && event.offsetY < c.bottom);

function choose(shown, byKeys) {
  if (!shown || same(shown, view.chosen)) return;
  view.chosen = shown;
  view.byKeys = byKeys;
  describe(shown);
}

function describe({ column, cell }) {
  $('cell').textContent = `closes ${clock(column.column)} UTC, from ${price(cell.lo)} up to ${price(cell.hi)}: `
    + (column.open ? `pays ${times(cell.mult)}×` : 'closed');
}

// The open cell next to the chosen one; without one, that of the first column which pays least.
function neighbour(columns, bands) {
  const open = view.cells.filter((c) => c.column.open);
  const at = open.find((c) => same(c, view.chosen));
  const first = open.filter((c) => c.column.column === open[0].column.column);
  if (!at) return first.sort((a, b) => Number(a.cell.mult) - Number(b.cell.mult))[0];
  const closes = [...new Set(open.map((c) => Number(c.column.column)))].sort((a, b) => a - b);
  const close = closes[closes.indexOf(Number(at.column.column)) + columns];
  return open.find((c) => Number(c.column.column) === close && Number(c.cell.band) === Number(at.cell.band) + bands);
}

canvas.addEventListener('pointermove', (event) => choose(under(event), false));
canvas.addEventListener('click', (event) => {
  const hit = under(event);
  choose(hit, false);
  if (hit) startTap(hit);
});
canvas.addEventListener('keydown', (event) => {
  const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
  if (move && view.cells.some((c) => c.column.open)) {
    choose(neighbour(...move), true);
  } else if (event.key === 'Enter' && view.chosen) {
    startTap(view.cells.find((c) => same(c, view.chosen)) ?? view.chosen);
  } else {
    return;
  }
  event.preventDefault();
});

// --- The account and its bets. ------------------------------------------------------------------------

function show() {
  $('bets').replaceChildren(...[...bets.values()].slice(0, 20).map((bet) => {
    const row = document.createElement('tr');
    row.dataset.state = bet.state;
    const words = bet.state + (bet.reason ? ` (${bet.reason})` : '');
    for (const text of [bet.bet ?? '…', clock(bet.column), bet.lo ? `${price(bet.lo)} – ${price(bet.hi)}` : '',
      usd(bet.stake), bet.mult ? times(bet.mult) : '', words, bet.paid === null || bet.paid === undefined ? '' : usd(bet.paid)]) {
      row.append(Object.assign(document.createElement('td'), { textContent: text }));
    }
    return row;
  }));
}

async function refresh() {
  const whose = account;
  if (!whose || document.hidden) return;
  try {
    const [money, page] = await Promise.all([ask(`/v1/accounts/${whose}`), ask(`/v1/accounts/${whose}/bets?limit=20`)]);
    if (whose !== account) return;
    $('balance').textContent = `${usd(money.available)} USD, ${usd(money.held)} held`;
    const known = new Set(page.bets.map((bet) => bet.nonce));
    const pending = [...bets.values()].filter((bet) => bet.state === 'pending' && !known.has(bet.nonce)
      && Date.now() - bet.asked < UNKNOWN_MS);
    bets.clear();
    for (const bet of pending) bets.set(bet.nonce, bet);
    for (const bet of page.bets) bets.set(bet.bet, bet);
    show();
  } catch (error) {
    say(error.message);
  }
}

function startTap(shown) {
  tap(shown).catch((error) => say(error.message)).finally(refresh);
}

async function tap({ column, cell }) {
  if (!provider) { say('Connect a wallet to tap; the address field alone only shows bets.'); return; }
  if (!column.open) { say('This column is closed, choose a later one.'); return; }
  const stake = String(Math.round(Number($('stake').value.replace(',', '.')) * 1e6));
  if (!/^[1-9][0-9]{0,17}$/.test(stake)) { say('The stake wants an amount in USD, such as 1.50.'); return; }
  const nonce = [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, '0')).join('');
  const { time } = await ask('/v1/time');
  const bet = { account: signer, market: market.config.market, column: column.column, band: cell.band, stake,
    min_mult: String(Math.floor(Number(cell.mult) * 0.95)), config: market.grid.config, nonce, time };
  const text = ['tap-bet-v1', `origin: ${location.origin}`,
    ...Object.entries(bet).map(([key, value]) => `${key}: ${value}`)].join('\n');
  const hex = '0x' + [...new TextEncoder().encode(text)].map((b) => b.toString(16).padStart(2, '0')).join('');
  const sig = await provider.request({ method: 'personal_sign', params: [hex, signer] });
  bets.set(nonce, { ...bet, lo: cell.lo, hi: cell.hi, state: 'pending', asked: Date.now() });
  show();
  try {
    const answer = await ask('/v1/bets', { ...bet, sig });
    say(`Bet ${answer.bet} is ${answer.state}.`);
  } catch (error) {
    if (!error.refused) throw new Error('No answer to the tap: it stays in the list until the server has told its outcome.');
    bets.delete(nonce);
    throw error;
  }
}

function showAccount(address) {
  account = address;
  $('account').value = address;
  $('balance').textContent = '';
  bets.clear();
  show();
  refresh();
}

// The server writes addresses with their checksum; what it answers is what the signed text must hold.
async function useWallet([address]) {
  signer = address ? (await ask(`/v1/accounts/${address}`)).account : '';
  showAccount(signer);
}

$('account').addEventListener('change', () => showAccount($('account').value.trim()));
$('who').addEventListener('submit', (event) => event.preventDefault());
$('wallet').addEventListener('click', async () => {
  if (!window.ethereum) { say('No wallet was found in this browser.'); return; }
  try {
    await useWallet(await window.ethereum.request({ method: 'eth_requestAccounts' }));
    if (provider) return;
    provider = window.ethereum;
    provider.on?.('accountsChanged', (addresses) => useWallet(addresses).catch((error) => say(error.message)));
  } catch (error) {
    say(error.message);
  }
});
$('money').addEventListener('click', () => {
  if (!account) { say('Enter an account or connect a wallet first.'); return; }
  ask('/v1/demo/deposit', { account, amount: '100000000' })
    .then(() => { say('100 USD of demo money arrived.'); return refresh(); }).catch((error) => say(error.message));
});

connect();
setInterval(refresh, 1000);
setInterval(() => { // the words follow the multiplier, but not into the ears of who moves by keys
  const now = view.cells.find((c) => same(c, view.chosen));
  if (now && !view.byKeys) describe(now);
}, 1000);
draw();
