(() => {
  const root = document.currentScript.parentElement;
  const { elements, crystals } = JSON.parse(root.querySelector("script[type='application/json']").textContent);
  const canvas = root.querySelector("canvas");
  const choice = root.querySelector("select");
  const pen = canvas.getContext("2d");
  if (!pen) return; // the drawing stays
  // Right, up and towards the viewer are the axes of the data too: the first view is not turned.
  const FIRST = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  const NEAREST = 8, FARTHEST = 0.3, KEY_TURN = 0.12, KEY_ZOOM = 1.15;
  let crystal, middle, reach, turned, zoom, held = null;

  const times = (A, B) => A.map((row) => B[0].map((_, j) => row.reduce((sum, v, k) => sum + v * B[k][j], 0)));
  const distance = (p) => Math.hypot(...p.map((v, k) => v - middle[k]));

  function turn(right, down) {
    const [a, b, c, d] = [Math.cos(right), Math.sin(right), Math.cos(down), Math.sin(down)];
    turned = times(times([[1, 0, 0], [0, c, -d], [0, d, c]], [[a, 0, b], [0, 1, 0], [-b, 0, a]]), turned);
    draw();
  }

  function look(closer) {
    zoom = Math.min(NEAREST, Math.max(FARTHEST, zoom * closer));
    draw();
  }

  function first() {
    [turned, zoom] = [FIRST, 1];
    draw();
  }

  function choose(number) {
    crystal = crystals[number];
    middle = [0, 1, 2].map((k) => crystal.corners.reduce((sum, p) => sum + p[k] / 8, 0));
    reach = 0.8 + Math.max(...crystal.corners.map(distance));
    canvas.setAttribute("aria-label", `structure of ${crystal.label}; arrow keys turn it, + and - change its size`);
    root.querySelector(".facts").textContent = crystal.facts;
    root.querySelector(".key").replaceChildren(...crystal.elements.map((name) => {
      const [entry, dot] = [document.createElement("span"), document.createElement("i")];
      dot.style.background = elements[name].shades[1];
      entry.append(dot, name);
      return entry;
    }));
    first();
  }

  function line(from, to, colour, width) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.beginPath();
    pen.moveTo(from[0], from[1]);
    pen.lineTo(to[0], to[1]);
    pen.stroke();
  }

  function ball([x, y], name, scale) {
    const r = Math.max(1.5, elements[name].radius * scale);
    const [light, plain, dark] = elements[name].shades;
    const shine = pen.createRadialGradient(x - 0.3 * r, y - 0.36 * r, 0, x - 0.3 * r, y - 0.36 * r, 1.44 * r);
    shine.addColorStop(0, light);
    shine.addColorStop(0.45, plain);
    shine.addColorStop(1, dark);
    pen.fillStyle = shine;
    pen.beginPath();
    pen.arc(x, y, r, 0, 2 * Math.PI);
    pen.fill();
  }

  function draw() {
    const [width, height, dense] = [canvas.clientWidth, canvas.clientHeight, window.devicePixelRatio || 1];
    if (!width) return;
    canvas.width = Math.round(width * dense);
    canvas.height = Math.round(height * dense);
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    pen.lineCap = "round";
    const scale = (zoom * Math.min(width, height)) / (2 * reach);
    const at = (p) => {
      const [x, y, z] = turned.map((row) => row.reduce((sum, v, k) => sum + v * (p[k] - middle[k]), 0));
      return [width / 2 + scale * x, height / 2 - scale * y, z];
    };
    const corners = crystal.corners.map(at);
    const atoms = crystal.atoms.map(at);
    const back = corners.reduce((best, p, i) => (p[2] < corners[best][2] ? i : best), 0);
    const edges = corners.flatMap((_, i) => [1, 2, 4].filter((bit) => !(i & bit)).map((bit) => [i, i | bit]));
    const stroke = (isBehind, colour) => edges
      .filter((edge) => edge.includes(back) === isBehind)
      .forEach(([i, j]) => line(corners[i], corners[j], colour, 1));
    stroke(true, "#b9b9b9");
    const parts = [
      ...crystal.bonds.map(([i, j]) => [
        Math.min(atoms[i][2], atoms[j][2]) - 1e-6,
        () => line(atoms[i], atoms[j], "#8d8d8d", Math.max(1, 0.09 * scale)),
      ]),
      ...atoms.map((p, i) => [p[2], () => ball(p, crystal.elements[crystal.kinds[i]], scale)]),
    ];
    parts.sort((p, q) => p[0] - q[0]).forEach(([, paint]) => paint());
    stroke(false, "#6e6e6e");
  }

  const KEYS = {
    ArrowLeft: () => turn(-KEY_TURN, 0),
    ArrowRight: () => turn(KEY_TURN, 0),
    ArrowUp: () => turn(0, -KEY_TURN),
    ArrowDown: () => turn(0, KEY_TURN),
    "+": () => look(KEY_ZOOM),
    "=": () => look(KEY_ZOOM),
    "-": () => look(1 / KEY_ZOOM),
    Home: first,
  };
  canvas.addEventListener("keydown", (event) => {
    if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  canvas.addEventListener("pointerdown", (event) => {
    held = [event.clientX, event.clientY];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!held) return;
    const [x, y] = held;
    held = [event.clientX, event.clientY];
    turn((held[0] - x) / 110, (held[1] - y) / 110);
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (held = null));
  canvas.addEventListener("dblclick", first);
  // Only where it was clicked: a page that is scrolled past must not be caught.
  canvas.addEventListener("wheel", (event) => {
    if (document.activeElement !== canvas) return;
    event.preventDefault();
    look(Math.exp(-event.deltaY / 600));
  }, { passive: false });
  choice.addEventListener("change", () => choose(Number(choice.value)));
  root.classList.add("live");
  choose(Number(choice.value));
  new ResizeObserver(draw).observe(canvas);
})();
