"use strict";
(() => {
const element = (name) => document.getElementById(`map-${name}`);
const data = JSON.parse(element("data").textContent);
const n = data.x.length;
const canvas = document.getElementById("map");
const context = canvas.getContext("2d");
const [card, colorBy, search, count, legend] = ["card", "color", "search", "count", "legend"].map(element);
const GREY = "#b9bec9";
const CLUSTER_COLORS = [
  "#1f5fa8", "#c2702a", "#2b7a52", "#6c4891", "#b3372f", "#0f8b8d", "#a8871f", "#8c4a6b", "#4d7c0f", "#3b5bdb", "#7a5230", "#b0528f",
];
const selected = new Set();
const blocks = new Map();
const px = new Float32Array(n);
const py = new Float32Array(n);
let view = { scale: 1, x: 0, y: 0 };
let current = -1;
let found = [];
let drag = null;
let colors = [];

function text(i) { return data.text[i] === 0 ? data.label[i] : data.text[i]; }

// ---- geometry ----

function unitOf(box) { return Math.min(box.width, box.height) / 2.1; }

function toScreen(x, y, box) {
  const unit = unitOf(box) * view.scale;
  return [box.width / 2 + (x + view.x) * unit, box.height / 2 - (y + view.y) * unit];
}

function fromScreen(sx, sy, box) {
  const unit = unitOf(box) * view.scale;
  return [(sx - box.width / 2) / unit - view.x, -(sy - box.height / 2) / unit - view.y];
}

function place(box) {
  const unit = unitOf(box) * view.scale;
  for (let i = 0; i < n; i++) {
    px[i] = box.width / 2 + (data.x[i] + view.x) * unit;
    py[i] = box.height / 2 - (data.y[i] + view.y) * unit;
  }
}

function prepare() {
  const ratio = window.devicePixelRatio || 1;
  const box = canvas.getBoundingClientRect();
  const [width, height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, box.width, box.height);
  place(box);
  return box;
}

// ---- colours ----

function recolor() {
  const name = colorBy.value;
  if (name === "cluster" && data.clusters.length) {
    colors = data.cluster.map((c) => (c < 0 ? GREY : CLUSTER_COLORS[c % CLUSTER_COLORS.length]));
    legend.textContent = "cluster: grey designs lie between clusters";
    return;
  }
  const values = data.values[name] || [];
  const known = values.filter((value) => value !== null && value !== undefined).sort((a, b) => a - b);
  if (!known.length) { colors = new Array(n).fill(GREY); legend.textContent = ""; return; }
  const at = (share) => known[Math.min(known.length - 1, Math.floor(share * known.length))];
  const [low, high] = [at(0.02), at(0.98)];
  colors = values.map((value) => {
    if (value === null) return GREY;
    const share = high > low ? (value - low) / (high - low) : 0.5;
    return data.palette[Math.round(Math.max(0, Math.min(1, share)) * (data.palette.length - 1))];
  });
  legend.textContent = `${name}: ${format(low)} (dark) to ${format(high)} (light); grey: no value`;
}

function format(value) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : "–";
}

// ---- drawing ----

function drawGround(box) {
  const grid = data.grid;
  if (!grid || !element("shades").checked) return;
  const unit = unitOf(box) * view.scale;
  const [width, height] = [grid.step[0] * unit, grid.step[1] * unit];
  for (let k = 0; k < grid.shades.length; k++) {
    const shade = Number(grid.shades[k]);
    if (!shade) continue;
    const [column, row] = [k % grid.columns, Math.floor(k / grid.columns)];
    const [x, y] = toScreen(grid.low[0] + column * grid.step[0], grid.low[1] + row * grid.step[1], box);
    context.fillStyle = `rgba(108, 72, 145, ${0.022 * shade})`;
    context.fillRect(x, y - height, width + 0.5, height + 0.5);
  }
  context.strokeStyle = "#7a8294";
  context.lineWidth = 1.2;
  for (const [x, y] of grid.voids) {
    const [sx, sy] = toScreen(x, y, box);
    context.beginPath();
    context.moveTo(sx - 5, sy - 5); context.lineTo(sx + 5, sy + 5);
    context.moveTo(sx - 5, sy + 5); context.lineTo(sx + 5, sy - 5);
    context.stroke();
  }
}

// Points of one colour and kind are one path: 20,000 of them are drawn in some 30 ms.
function drawPoints(box) {
  const paths = new Map();
  const tau = 2 * Math.PI;
  for (let i = 0; i < n; i++) {
    if (px[i] < -9 || py[i] < -9 || px[i] > box.width + 9 || py[i] > box.height + 9) continue;
    const key = `${data.measured[i]}${data.trust[i] < data.minTrust ? 1 : 0}${colors[i] || GREY}`;
    let path = paths.get(key);
    if (!path) paths.set(key, path = new Path2D());
    const radius = data.measured[i] ? 4.5 : n > 8000 ? 1.6 : 2.4;
    path.moveTo(px[i] + radius, py[i]);
    path.arc(px[i], py[i], radius, 0, tau);
  }
  for (const [key, path] of [...paths].sort((a, b) => (a[0] < b[0] ? -1 : 1))) {
    const [isMeasured, isHollow, color] = [key[0] === "1", key[1] === "1", key.slice(2)];
    context.globalAlpha = isMeasured ? 1 : 0.65;
    context.lineWidth = isMeasured ? 2 : 1;
    if (isHollow) { context.strokeStyle = color; context.stroke(path); } else { context.fillStyle = color; context.fill(path); }
    context.globalAlpha = 1;
    if (isMeasured) { context.strokeStyle = "#1d2330"; context.lineWidth = 0.8; context.stroke(path); }
  }
}

function drawPath() {
  if (data.path.length < 2) return;
  context.beginPath();
  data.path.forEach(([i], step) => (step ? context.lineTo(px[i], py[i]) : context.moveTo(px[i], py[i])));
  context.strokeStyle = "#b3372f";
  context.lineWidth = 1.4;
  context.stroke();
  data.path.forEach(([i, round]) => write(String(round), px[i] + 6, py[i] - 6, "#b3372f", 11));
}

function write(words, x, y, color, size) {
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.lineWidth = 3;
  context.lineJoin = "round";
  context.strokeStyle = "rgba(255, 255, 255, .9)";
  context.strokeText(words, x, y);
  context.fillStyle = color;
  context.fillText(words, x, y);
}

// A name is written where no earlier one, of a larger cluster, lies.
function drawNames(box) {
  if (!element("names").checked) return;
  const taken = [];
  data.clusters.forEach((cluster, k) => {
    const size = box.width < 500 ? 10 : 12;
    const longest = box.width < 500 ? 22 : 34;
    const label = cluster.label.length > longest ? `${cluster.label.slice(0, longest - 1)}…` : cluster.label;
    const words = `${k + 1} ${label}`;
    context.font = `600 ${size}px system-ui, sans-serif`;
    const width = context.measureText(words).width;
    const [x, y] = toScreen(cluster.x, cluster.y, box);
    const left = Math.max(2, Math.min(box.width - width - 2, x - width / 2));
    if (x < 0 || y < 0 || x > box.width || y > box.height) return;
    if (taken.some((t) => left < t[2] && left + width > t[0] && y - size < t[3] && y > t[1])) return;
    taken.push([left, y - size, left + width, y]);
    write(words, left, y, "#1d2330", size);
  });
}

function ring(i, stroke, radius) {
  context.beginPath();
  context.arc(px[i], py[i], radius, 0, 7);
  context.strokeStyle = stroke;
  context.lineWidth = 2;
  context.stroke();
}

function draw() {
  const box = prepare();
  drawGround(box);
  drawPoints(box);
  drawPath();
  drawNames(box);
  selected.forEach((i) => ring(i, "#b3372f", data.measured[i] ? 5.5 : 3.6));
  found.forEach((i) => ring(i, "#c2702a", 8));
  if (current >= 0) ring(current, "#1d2330", 10);
  if (drag && drag.isBox) {
    context.strokeStyle = "#b3372f";
    context.lineWidth = 1;
    context.strokeRect(drag.x, drag.y, drag.px - drag.x, drag.py - drag.y);
  }
}

function tally(words) {
  count.textContent = words || (selected.size ? `${selected.size} selected` : "");
}

// ---- the card of a design ----

async function picture(i) {
  const number = data.pictures.place[i];
  if (number < 0 || typeof DecompressionStream === "undefined") return "";
  const k = Math.floor(number / data.pictures.size);
  if (!blocks.has(k)) {
    const bytes = Uint8Array.from(atob(data.pictures.blocks[k]), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    blocks.set(k, new Response(stream).json());
  }
  return (await blocks.get(k))[number % data.pictures.size];
}

async function showPicture(i) {
  const svg = await picture(i);
  if (!svg || i !== current) return;
  const image = document.createElement("img");
  image.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  image.alt = `drawing of ${data.label[i]}`;
  card.prepend(image);
}

function show(i) {
  current = i;
  card.replaceChildren();
  if (i >= 0) {
    const title = document.createElement("p");
    title.className = "label";
    title.textContent = (data.id[i] ? `${data.id[i]}: ` : "") + data.label[i];
    const list = document.createElement("dl");
    const rows = Object.entries(data.values).map(([name, values]) => [name, values[i]]).filter(([, value]) => value !== null);
    const shown = rows.map(([name, value]) => [name, format(value)]);
    if (data.cluster[i] >= 0) shown.push(["cluster", `${data.cluster[i] + 1} ${data.clusters[data.cluster[i]].name}`]);
    for (const [name, value] of shown) {
      const [term, content] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = name;
      content.textContent = value;
      list.append(term, content);
    }
    card.append(title, list);
    showPicture(i);
  }
  draw();
}

// ---- pointer and keys ----

function nearest(x, y, limit) {
  let best = -1;
  let distance = limit * limit;
  for (let i = 0; i < n; i++) {
    const d = (px[i] - x) ** 2 + (py[i] - y) ** 2 - (data.measured[i] ? 9 : 0);
    if (d < distance) { distance = d; best = i; }
  }
  return best;
}

function zoom(factor, sx, sy) {
  const box = canvas.getBoundingClientRect();
  const before = fromScreen(sx, sy, box);
  view.scale = Math.max(0.5, Math.min(200, view.scale * factor));
  const after = fromScreen(sx, sy, box);
  view.x += after[0] - before[0];
  view.y += after[1] - before[1];
  draw();
}

function toggle(i) {
  if (selected.has(i)) selected.delete(i); else selected.add(i);
  tally();
  draw();
}

function step(dx, dy) {
  const box = canvas.getBoundingClientRect();
  const from = current >= 0 ? [px[current], py[current]] : [box.width / 2, box.height / 2];
  let best = -1;
  let distance = Infinity;
  for (let i = 0; i < n; i++) {
    const along = (px[i] - from[0]) * dx + (py[i] - from[1]) * dy;
    const across = Math.abs((px[i] - from[0]) * dy) + Math.abs((py[i] - from[1]) * dx);
    const d = along + 3 * across;
    if (i !== current && along > 0.5 && across <= along && d < distance) { distance = d; best = i; }
  }
  if (best >= 0) show(best);
}

function inCanvas(event) {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

canvas.addEventListener("pointermove", (event) => {
  const [x, y] = inCanvas(event);
  if (drag) {
    if (!drag.isBox) {
      const unit = unitOf(canvas.getBoundingClientRect()) * view.scale;
      view.x += (x - drag.px) / unit;
      view.y -= (y - drag.py) / unit;
    }
    [drag.px, drag.py] = [x, y];
    // A finger is never still: only what leaves a few pixels is a drag.
    drag.moved = drag.moved || Math.hypot(x - drag.x, y - drag.y) > 4;
    draw();
    return;
  }
  const i = nearest(x, y, 12);
  if (i !== current && i >= 0) show(i);
});

canvas.addEventListener("pointerdown", (event) => {
  const [x, y] = inCanvas(event);
  drag = { x, y, px: x, py: y, isBox: event.shiftKey, moved: false };
  canvas.setPointerCapture(event.pointerId);
});

canvas.addEventListener("pointercancel", () => { drag = null; draw(); });

canvas.addEventListener("pointerup", () => {
  const done = drag;
  drag = null;
  if (!done) return;
  if (!done.moved) {
    const i = nearest(done.x, done.y, 12);
    if (i >= 0) { show(i); toggle(i); }
  } else if (done.isBox) {
    const [left, right] = [Math.min(done.x, done.px), Math.max(done.x, done.px)];
    const [top, bottom] = [Math.min(done.y, done.py), Math.max(done.y, done.py)];
    for (let i = 0; i < n; i++) if (px[i] >= left && px[i] <= right && py[i] >= top && py[i] <= bottom) selected.add(i);
    tally();
  }
  draw();
});

canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, ...inCanvas(event));
}, { passive: false });

canvas.addEventListener("keydown", (event) => {
  const box = canvas.getBoundingClientRect();
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (moves[event.key]) step(...moves[event.key]);
  else if (event.key === "+" || event.key === "=") zoom(1.3, box.width / 2, box.height / 2);
  else if (event.key === "-") zoom(1 / 1.3, box.width / 2, box.height / 2);
  else if (event.key === " " && current >= 0) toggle(current);
  else if (event.key === "Escape") { selected.clear(); tally(); draw(); }
  else return;
  event.preventDefault();
});

// ---- controls ----

search.addEventListener("input", () => {
  const word = search.value.trim().toLowerCase();
  found = [];
  for (let i = 0; word && i < n; i++) if (`${data.id[i]} ${data.label[i]}`.toLowerCase().includes(word)) found.push(i);
  if (found.length) show(found[0]); else draw();
  tally(word ? `${found.length} found` : "");
});

function cell(value) {
  const words = value === undefined || value === null ? "" : String(value);
  const safe = /^[=+\-@\t\r]/.test(words) && Number.isNaN(Number(words)) ? `'${words}` : words;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

element("export").addEventListener("click", () => {
  const names = Object.keys(data.values);
  const clusterOf = (i) => (data.cluster[i] >= 0 ? data.clusters[data.cluster[i]].name : "");
  const rows = [...selected].map((i) => [
    data.id[i], text(i), data.measured[i] ? "measured" : "corpus", clusterOf(i), ...names.map((name) => data.values[name][i]),
  ]);
  const lines = [["id", "design", "group", "cluster", ...names], ...rows].map((row) => row.map(cell).join(","));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" }));
  link.download = "selection.csv";
  link.click();
  URL.revokeObjectURL(link.href);
});
element("select-found").addEventListener("click", () => { found.forEach((i) => selected.add(i)); tally(); draw(); });
element("clear").addEventListener("click", () => { selected.clear(); tally(); draw(); });
element("whole").addEventListener("click", () => { view = { scale: 1, x: 0, y: 0 }; draw(); });
element("names").addEventListener("change", draw);
element("shades").addEventListener("change", draw);
colorBy.addEventListener("change", () => { recolor(); draw(); });
window.addEventListener("resize", draw);
recolor();
draw();
})();
