(() => {
  const root = document.currentScript.parentElement;
  const { elements, crystals } = JSON.parse(root.querySelector("script[type='application/json']").textContent);
  const canvas = root.querySelector("canvas");
  const select = root.querySelector("select");
  const context = canvas.getContext("2d");
  if (!context) return; // the static drawing remains visible
  // The data are in view coordinates (right, up, towards the viewer): the initial view is not rotated.
  const IDENTITY = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  const MAX_ZOOM = 8, MIN_ZOOM = 0.3, KEY_ANGLE = 0.12, KEY_ZOOM = 1.15, PIXELS_PER_RADIAN = 110;
  let crystal, center, radius, rotation, zoom, pointer = null;

  const multiply = (A, B) => A.map((row) => B[0].map((_, j) => row.reduce((sum, v, k) => sum + v * B[k][j], 0)));
  const distanceToCenter = (p) => Math.hypot(...p.map((v, k) => v - center[k]));

  function rotate(right, down) {
    const [a, b, c, d] = [Math.cos(right), Math.sin(right), Math.cos(down), Math.sin(down)];
    const vertical = [[1, 0, 0], [0, c, -d], [0, d, c]];
    const horizontal = [[a, 0, b], [0, 1, 0], [-b, 0, a]];
    rotation = multiply(multiply(vertical, horizontal), rotation);
    draw();
  }

  function zoomBy(factor) {
    zoom = Math.min(MAX_ZOOM, Math.max(MIN_ZOOM, zoom * factor));
    draw();
  }

  function resetView() {
    [rotation, zoom] = [IDENTITY, 1];
    draw();
  }

  function selectCrystal(index) {
    crystal = crystals[index];
    center = [0, 1, 2].map((k) => crystal.corners.reduce((sum, p) => sum + p[k] / 8, 0));
    radius = 0.8 + Math.max(...crystal.corners.map(distanceToCenter));
    canvas.setAttribute("aria-label", `structure of ${crystal.label}; the arrow keys rotate it, + and - zoom`);
    root.querySelector(".facts").textContent = crystal.facts;
    root.querySelector(".legend").replaceChildren(...crystal.elements.map((name) => {
      const [entry, dot] = [document.createElement("span"), document.createElement("i")];
      dot.style.background = elements[name].shades[1];
      entry.append(dot, name);
      return entry;
    }));
    resetView();
  }

  function drawLine(from, to, colour, width) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(from[0], from[1]);
    context.lineTo(to[0], to[1]);
    context.stroke();
  }

  function drawBall([x, y], name, scale) {
    const r = Math.max(1.5, elements[name].radius * scale);
    const [light, plain, dark] = elements[name].shades;
    const gradient = context.createRadialGradient(x - 0.3 * r, y - 0.36 * r, 0, x - 0.3 * r, y - 0.36 * r, 1.44 * r);
    gradient.addColorStop(0, light);
    gradient.addColorStop(0.45, plain);
    gradient.addColorStop(1, dark);
    context.fillStyle = gradient;
    context.beginPath();
    context.arc(x, y, r, 0, 2 * Math.PI);
    context.fill();
  }

  function draw() {
    const [width, height, ratio] = [canvas.clientWidth, canvas.clientHeight, window.devicePixelRatio || 1];
    if (!width) return;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.lineCap = "round";
    const scale = (zoom * Math.min(width, height)) / (2 * radius);
    const project = (p) => {
      const [x, y, z] = rotation.map((row) => row.reduce((sum, v, k) => sum + v * (p[k] - center[k]), 0));
      return [width / 2 + scale * x, height / 2 - scale * y, z];
    };
    const corners = crystal.corners.map(project);
    const atoms = crystal.atoms.map(project);
    const back = corners.reduce((best, p, i) => (p[2] < corners[best][2] ? i : best), 0);
    const edges = corners.flatMap((_, i) => [1, 2, 4].filter((bit) => !(i & bit)).map((bit) => [i, i | bit]));
    const drawEdges = (isBehind, colour) => edges
      .filter((edge) => edge.includes(back) === isBehind)
      .forEach(([i, j]) => drawLine(corners[i], corners[j], colour, 1));
    drawEdges(true, "#b9b9b9");
    // Bonds and balls are painted by depth, a bond just before the farther one of its atoms.
    const parts = [
      ...crystal.bonds.map(([i, j]) => [
        Math.min(atoms[i][2], atoms[j][2]) - 1e-6,
        () => drawLine(atoms[i], atoms[j], "#8d8d8d", Math.max(1, 0.09 * scale)),
      ]),
      ...atoms.map((p, i) => [p[2], () => drawBall(p, crystal.elements[crystal.kinds[i]], scale)]),
    ];
    parts.sort((p, q) => p[0] - q[0]).forEach(([, paint]) => paint());
    drawEdges(false, "#6e6e6e");
  }

  const KEYS = {
    ArrowLeft: () => rotate(-KEY_ANGLE, 0),
    ArrowRight: () => rotate(KEY_ANGLE, 0),
    ArrowUp: () => rotate(0, -KEY_ANGLE),
    ArrowDown: () => rotate(0, KEY_ANGLE),
    "+": () => zoomBy(KEY_ZOOM),
    "=": () => zoomBy(KEY_ZOOM),
    "-": () => zoomBy(1 / KEY_ZOOM),
    Home: resetView,
  };
  canvas.addEventListener("keydown", (event) => {
    if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  canvas.addEventListener("pointerdown", (event) => {
    pointer = [event.clientX, event.clientY];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!pointer) return;
    const [x, y] = pointer;
    pointer = [event.clientX, event.clientY];
    rotate((pointer[0] - x) / PIXELS_PER_RADIAN, (pointer[1] - y) / PIXELS_PER_RADIAN);
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (pointer = null));
  canvas.addEventListener("dblclick", resetView);
  // The wheel zooms only after a click, so that scrolling past the view is not captured.
  canvas.addEventListener("wheel", (event) => {
    if (document.activeElement !== canvas) return;
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY / 600));
  }, { passive: false });
  select.addEventListener("change", () => selectCrystal(Number(select.value)));
  root.classList.add("interactive");
  selectCrystal(Number(select.value));
  new ResizeObserver(draw).observe(canvas);
})();
