"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const points = data.points;
const canvas = document.getElementById("map");
const context = canvas.getContext("2d");
const card = document.getElementById("card");
const colorBy = document.getElementById("color");
const search = document.getElementById("search");
const count = document.getElementById("count");
const legend = document.getElementById("legend");
const selected = new Set();
let view = { scale: 1, x: 0, y: 0 };
let current = -1;
let found = [];
let drag = null;

function size() {
  const ratio = window.devicePixelRatio || 1;
  const box = canvas.getBoundingClientRect();
  canvas.width = Math.round(box.width * ratio);
  canvas.height = Math.round(box.height * ratio);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return box;
}

function toScreen(point, box) {
  const unit = Math.min(box.width, box.height) / 2.1;
  return [box.width / 2 + (point.x + view.x) * unit * view.scale, box.height / 2 - (point.y + view.y) * unit * view.scale];
}

function fromScreen(px, py, box) {
  const unit = Math.min(box.width, box.height) / 2.1;
  return [(px - box.width / 2) / (unit * view.scale) - view.x, -(py - box.height / 2) / (unit * view.scale) - view.y];
}

// Values of the chosen column, NaN where a design has none.
function column() {
  const name = colorBy.value;
  return points.map((point) => (point.values[name] === undefined ? NaN : point.values[name]));
}

function range(values) {
  const known = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (!known.length) return null;
  const at = (share) => known[Math.min(known.length - 1, Math.floor(share * known.length))];
  return [at(0.02), at(0.98)];
}

function color(value, limits) {
  if (!Number.isFinite(value) || !limits) return "#b9bec9";
  const share = limits[1] > limits[0] ? (value - limits[0]) / (limits[1] - limits[0]) : 0.5;
  const index = Math.round(Math.max(0, Math.min(1, share)) * (data.palette.length - 1));
  return data.palette[index];
}

function draw() {
  const box = size();
  const values = column();
  const limits = range(values);
  context.clearRect(0, 0, box.width, box.height);
  points.forEach((point, i) => {
    const [px, py] = toScreen(point, box);
    if (px < -9 || py < -9 || px > box.width + 9 || py > box.height + 9) return;
    const isCorpus = point.group === "corpus";
    context.beginPath();
    context.arc(px, py, isCorpus ? 2.4 : 4.5, 0, 7);
    context.globalAlpha = isCorpus ? 0.65 : 1;
    const shade = color(values[i], limits);
    if (point.trust < data.minTrust) {
      context.strokeStyle = shade;
      context.lineWidth = 1;
      context.stroke();
    } else {
      context.fillStyle = shade;
      context.fill();
    }
    context.globalAlpha = 1;
    if (!isCorpus || selected.has(i)) {
      context.strokeStyle = selected.has(i) ? "#b3372f" : "#1d2330";
      context.lineWidth = selected.has(i) ? 2.2 : 0.8;
      context.stroke();
    }
  });
  data.path.forEach((i, step) => {
    const [px, py] = toScreen(points[i], box);
    if (step === 0) { context.beginPath(); context.moveTo(px, py); } else context.lineTo(px, py);
  });
  if (data.path.length > 1) { context.strokeStyle = "#b3372f"; context.lineWidth = 1.4; context.stroke(); }
  found.forEach((i) => ring(i, box, "#c2702a", 8));
  if (current >= 0) ring(current, box, "#1d2330", 10);
  if (drag && drag.isBox) {
    context.strokeStyle = "#b3372f";
    context.lineWidth = 1;
    context.strokeRect(drag.x, drag.y, drag.px - drag.x, drag.py - drag.y);
  }
  legend.textContent = limits ? `${colorBy.value}: ${format(limits[0])} (dark) to ${format(limits[1])} (light)` : "";
  count.textContent = selected.size ? `${selected.size} selected` : "";
}

function ring(i, box, stroke, radius) {
  const [px, py] = toScreen(points[i], box);
  context.beginPath();
  context.arc(px, py, radius, 0, 7);
  context.strokeStyle = stroke;
  context.lineWidth = 2;
  context.stroke();
}

function format(value) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : "–";
}

function show(i) {
  current = i;
  card.replaceChildren();
  if (i >= 0) {
    const point = points[i];
    if (point.picture) {
      const image = document.createElement("img");
      image.src = point.picture;
      image.alt = `drawing of ${point.label}`;
      card.append(image);
    }
    const title = document.createElement("p");
    title.className = "label";
    title.textContent = (point.id ? `${point.id}: ` : "") + point.label;
    card.append(title);
    const list = document.createElement("dl");
    for (const [name, value] of Object.entries(point.values)) {
      const term = document.createElement("dt");
      const text = document.createElement("dd");
      term.textContent = name;
      text.textContent = format(value);
      list.append(term, text);
    }
    card.append(list);
  }
  draw();
}

function nearest(px, py, box, limit) {
  let best = -1;
  let distance = limit * limit;
  points.forEach((point, i) => {
    const [x, y] = toScreen(point, box);
    const d = (x - px) ** 2 + (y - py) ** 2 - (point.group === "corpus" ? 0 : 9);
    if (d < distance) { distance = d; best = i; }
  });
  return best;
}

function zoom(factor, px, py) {
  const box = canvas.getBoundingClientRect();
  const before = fromScreen(px, py, box);
  view.scale = Math.max(0.5, Math.min(200, view.scale * factor));
  const after = fromScreen(px, py, box);
  view.x += after[0] - before[0];
  view.y += after[1] - before[1];
  draw();
}

function toggle(i) {
  if (selected.has(i)) selected.delete(i); else selected.add(i);
  draw();
}

function step(dx, dy) {
  const box = canvas.getBoundingClientRect();
  const from = current >= 0 ? toScreen(points[current], box) : [box.width / 2, box.height / 2];
  let best = -1;
  let distance = Infinity;
  points.forEach((point, i) => {
    const [x, y] = toScreen(point, box);
    const along = (x - from[0]) * dx + (y - from[1]) * dy;
    const across = Math.abs((x - from[0]) * dy) + Math.abs((y - from[1]) * dx);
    const d = along + 3 * across;
    if (i !== current && along > 0.5 && across <= along && d < distance) { distance = d; best = i; }
  });
  if (best >= 0) show(best);
}

canvas.addEventListener("pointermove", (event) => {
  const box = canvas.getBoundingClientRect();
  const [px, py] = [event.clientX - box.left, event.clientY - box.top];
  if (drag) {
    if (!drag.isBox) {
      const unit = (Math.min(box.width, box.height) / 2.1) * view.scale;
      view.x += (px - drag.px) / unit;
      view.y -= (py - drag.py) / unit;
    }
    drag.px = px;
    drag.py = py;
    drag.moved = true;
    draw();
    return;
  }
  const i = nearest(px, py, box, 12);
  if (i !== current && i >= 0) show(i);
});

canvas.addEventListener("pointerdown", (event) => {
  const box = canvas.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  drag = { x, y, px: x, py: y, isBox: event.shiftKey, moved: false };
  canvas.setPointerCapture(event.pointerId);
});

canvas.addEventListener("pointerup", () => {
  const box = canvas.getBoundingClientRect();
  const done = drag;
  drag = null;
  if (!done) return;
  if (!done.moved) {
    const i = nearest(done.x, done.y, box, 12);
    if (i >= 0) { show(i); toggle(i); }
  } else if (done.isBox) {
    const [left, right] = [Math.min(done.x, done.px), Math.max(done.x, done.px)];
    const [top, bottom] = [Math.min(done.y, done.py), Math.max(done.y, done.py)];
    points.forEach((point, i) => {
      const [x, y] = toScreen(point, box);
      if (x >= left && x <= right && y >= top && y <= bottom) selected.add(i);
    });
  }
  draw();
});

canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = canvas.getBoundingClientRect();
  zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.clientX - box.left, event.clientY - box.top);
}, { passive: false });

canvas.addEventListener("keydown", (event) => {
  const box = canvas.getBoundingClientRect();
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (moves[event.key]) step(...moves[event.key]);
  else if (event.key === "+" || event.key === "=") zoom(1.3, box.width / 2, box.height / 2);
  else if (event.key === "-") zoom(1 / 1.3, box.width / 2, box.height / 2);
  else if (event.key === " " && current >= 0) toggle(current);
  else if (event.key === "Escape") { selected.clear(); draw(); }
  else return;
  event.preventDefault();
});

search.addEventListener("input", () => {
  const word = search.value.trim().toLowerCase();
  found = word ? points.map((_, i) => i).filter((i) => `${points[i].id} ${points[i].label}`.toLowerCase().includes(word)) : [];
  if (found.length) show(found[0]); else draw();
  count.textContent = word ? `${found.length} found` : "";
});

function cell(value) {
  const text = value === undefined || Number.isNaN(value) ? "" : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

document.getElementById("export").addEventListener("click", () => {
  const names = data.columns;
  const rows = [...selected].map((i) => [points[i].id, points[i].text, points[i].group, ...names.map((n) => points[i].values[n])]);
  const lines = [["id", "design", "group", ...names], ...rows].map((row) => row.map(cell).join(","));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
  link.download = "selection.csv";
  link.click();
  URL.revokeObjectURL(link.href);
});
document.getElementById("select-found").addEventListener("click", () => { found.forEach((i) => selected.add(i)); draw(); });
document.getElementById("clear").addEventListener("click", () => { selected.clear(); draw(); });
document.getElementById("whole").addEventListener("click", () => { view = { scale: 1, x: 0, y: 0 }; draw(); });
colorBy.addEventListener("change", draw);
window.addEventListener("resize", draw);
draw();
