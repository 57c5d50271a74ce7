// The plain page: draws what the server published, asks a wallet to sign a tap, and shows only what the
// server has made durable. No state of its own but the market it was told and the account asked for.
const market = { ticks: [], grid: null, status: null };
const bets = new Map(); // by bet id, or by nonce while pending
let account = '';
let provider = null;

const $ = (id) => document.getElementById(id);
const say = (text) => { $('word').textContent = text; };
const usd = (micro) => (Number(micro) / 1e6).toFixed(2);
const price = (e4) => (Number(e4) / 1e4).toFixed(2);

async function ask(path, options) {
  const answer = await fetch(path, options);
  const body = await answer.json();
  if (!answer.ok) throw new Error(`${body.error.code}: ${body.error.message}`);
  return body;
}

// --- The market, over the WebSocket. ------------------------------------------------------------------

function take(event) {
  if (event.type === 'index:tick') {
    market.ticks.push({ time: Number(event.tick), price: event.price === null ? null : Number(event.price) });
    if (market.ticks.length > 300) market.ticks.shift();
    if (event.price !== null) $('price').textContent = price(event.price);
  } else if (event.type === 'grid:snapshot') {
    market.grid = event;
  } else if (event.type === 'grid:delta') {
    merge(event);
  } else if (event.type === 'status') {
    market.status = event;
    $('state').textContent = event.breaker + (event.warm === 'true' || event.warm === true ? '' : ', warming up');
    $('state').dataset.state = event.breaker;
  } else if (event.type === 'server:shutdown') {
    say(`The server is shutting down: ${event.reason}`);
  } else if (event.type === 'column:settled' && account) {
    refresh();
  }
}

// A delta holds changed cells only; multiplier "0" is a cell that was withdrawn.
function merge(delta) {
  if (!market.grid) return;
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
}

let tries = 0;
function connect() {
  const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/v1/ws`, 'tapline.v1');
  socket.onopen = () => {
    tries = 0;
    say('Tap a cell to bet. It wins if the price is in its band when its column closes.');
    for (const channel of ['index', 'grid', 'columns', 'status']) {
      socket.send(JSON.stringify({ op: 'subscribe', channel }));
    }
  };
  socket.onmessage = (message) => take(JSON.parse(message.data));
  socket.onclose = () => {
    $('state').textContent = 'offline';
    $('state').dataset.state = 'offline';
    tries += 1;
    setTimeout(connect, Math.random() * Math.min(5000, 250 * 2 ** tries)); // full jitter
  };
}

// --- Drawing. -----------------------------------------------------------------------------------------

const canvas = $('grid');
const view = { cells: [] };

function draw() {
  requestAnimationFrame(draw);
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext('2d');
  pen.scale(scale, scale);
  const last = market.ticks.findLast((tick) => tick.price !== null);
  if (!last || !market.grid) return;
  const ink = getComputedStyle(document.body).color;
  const now = market.ticks[market.ticks.length - 1].time;
  const band = Number(market.grid.columns[0]?.band_e4 ?? 200000);
  const x = (time) => width * 0.45 + (time - now) * (width * 0.55 / 65000);
  const y = (value) => height / 2 - (value - last.price) * (height / (band * 16));
  pen.font = '11px ui-monospace, monospace';
  pen.textAlign = 'center';
  pen.textBaseline = 'middle';
  view.cells = [];
  for (const column of market.grid.columns) {
    const close = Number(column.column);
    const open = column.open === true || column.open === 'true';
    for (const cell of column.cells) {
      const box = { left: x(close - 5000), right: x(close), top: y(Number(cell.hi)), bottom: y(Number(cell.lo)) };
      if (box.bottom < 0 || box.top > height) continue;
      view.cells.push({ ...box, column, cell });
      pen.globalAlpha = open ? 0.9 : 0.35;
      pen.strokeStyle = '#8886';
      pen.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
      pen.fillStyle = ink;
      pen.fillText((Number(cell.mult) / 100).toFixed(2), (box.left + box.right) / 2, (box.top + box.bottom) / 2);
    }
  }
  for (const bet of bets.values()) {
    const close = Number(bet.column);
    if (close < now - 5000 || !bet.lo) continue;
    const colour = { won: '#178a4c', lost: '#888', void: '#888', confirmed: '#2a6fdb' }[bet.state] ?? '#b37400';
    pen.globalAlpha = bet.state === 'confirmed' ? 0.5 : 0.25;
    pen.fillStyle = colour;
    pen.fillRect(x(close - 5000), y(Number(bet.hi)), x(close) - x(close - 5000), y(Number(bet.lo)) - y(Number(bet.hi)));
  }
  pen.globalAlpha = 1;
  pen.strokeStyle = '#2a6fdb';
  pen.lineWidth = 2;
  pen.beginPath();
  let drawing = false;
  for (const tick of market.ticks) {
    if (tick.price === null) { drawing = false; continue; }
    if (drawing) pen.lineTo(x(tick.time), y(tick.price)); else pen.moveTo(x(tick.time), y(tick.price));
    drawing = true;
  }
  pen.stroke();
}

// --- The account and its bets. ------------------------------------------------------------------------

function show() {
  $('bets').replaceChildren(...[...bets.values()].slice(0, 20).map((bet) => {
    const row = document.createElement('tr');
    row.dataset.state = bet.state;
    const closes = new Date(Number(bet.column)).toISOString().slice(11, 19);
    const words = bet.state + (bet.reason ? ` (${bet.reason})` : '');
    for (const text of [bet.bet ?? '…', closes, bet.lo ? `${price(bet.lo)} – ${price(bet.hi)}` : '', usd(bet.stake),
      bet.mult ? (Number(bet.mult) / 100).toFixed(2) : '', words, bet.paid ? usd(bet.paid) : '']) {
      row.append(Object.assign(document.createElement('td'), { textContent: text }));
    }
    return row;
  }));
}

async function refresh() {
  if (!account) return;
  try {
    const [money, page] = await Promise.all([ask(`/v1/accounts/${account}`), ask(`/v1/accounts/${account}/bets?limit=20`)]);
    $('balance').textContent = `${usd(money.available)} USD, ${usd(money.held)} held`;
    const pending = [...bets.values()].filter((bet) => bet.state === 'pending');
    bets.clear();
    const known = new Set(page.bets.map((bet) => bet.nonce));
    for (const bet of pending) if (!known.has(bet.nonce)) bets.set(bet.nonce, bet);
    for (const bet of page.bets) bets.set(bet.bet, bet);
    show();
  } catch (error) {
    say(error.message);
  }
}

async function tap({ column, cell }) {
  if (!provider) { say('Connect a wallet to tap; the address field alone only shows bets.'); return; }
  const nonce = [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, '0')).join('');
  const { time } = await ask('/v1/time');
  const stake = String(Math.round(Number($('stake').value) * 1e6));
  const bet = { account, market: 'BTC-USD', column: column.column, band: cell.band, stake,
    min_mult: String(Math.floor(Number(cell.mult) * 0.95)), config: market.grid.config, nonce, time };
  const text = ['tap-bet-v1', `origin: ${location.origin}`,
    ...Object.entries(bet).map(([key, value]) => `${key}: ${value}`)].join('\n');
  const hex = '0x' + [...new TextEncoder().encode(text)].map((b) => b.toString(16).padStart(2, '0')).join('');
  const sig = await provider.request({ method: 'personal_sign', params: [hex, account] });
  bets.set(nonce, { ...bet, lo: cell.lo, hi: cell.hi, state: 'pending' });
  show();
  await ask('/v1/bets', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ...bet, sig }) })
    .catch((error) => { bets.delete(nonce); throw error; });
}

canvas.addEventListener('click', (event) => {
  const hit = view.cells.find((c) => event.offsetX >= c.left && event.offsetX < c.right &&
    event.offsetY >= c.top && event.offsetY < c.bottom);
  if (hit) tap(hit).catch((error) => say(error.message)).finally(refresh);
});
$('account').addEventListener('change', () => { account = $('account').value.trim(); refresh(); });
$('who').addEventListener('submit', (event) => event.preventDefault());
$('wallet').addEventListener('click', async () => {
  provider = window.ethereum ?? null;
  if (!provider) { say('No wallet was found in this browser.'); return; }
  // The server writes addresses with their checksum; what it answers is what the signed text must hold.
  const [address] = await provider.request({ method: 'eth_requestAccounts' });
  account = (await ask(`/v1/accounts/${address}`)).account;
  $('account').value = account;
  refresh();
});
$('money').addEventListener('click', () => {
  ask('/v1/demo/deposit', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ account, amount: '100000000' }) })
    .then(refresh).catch((error) => say(error.message));
});

ask('/v1/index').then((index) => {
  market.ticks = index.ticks.map((tick) => ({ time: Number(tick.time), price: tick.price === null ? null : Number(tick.price) }));
}).catch((error) => say(error.message));
connect();
setInterval(refresh, 1000);
draw();
