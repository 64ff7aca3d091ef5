"""The interactive view: self-contained, safe to embed, with a script that runs."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from invdesign import testing
from invdesign.core import Objective
from invdesign.domains.crystals.output.drawing import ball_colours, ball_radius, build_scene
from invdesign.domains.crystals.output.viewing import view_structures
from invdesign.domains.crystals.symmetry.canonical import key

ENERGY = (Objective("energy", "eV/atom", "minimize"),)
# A minimal page with one view: it runs the script, sends events, and prints what was painted.
HARNESS = """
const [data, script] = JSON.parse(require("fs").readFileSync(0, "utf8"));
let painted = [], listeners = {}, recorded = {}, n_prevented = 0;
const node = (more) => ({ style: {}, append() {}, classList: { add: (name) => (recorded.className = name) },
  addEventListener: (name, act) => (listeners[name] = act), setAttribute: (name, text) => (recorded[name] = text),
  ...more });
const context = new Proxy({}, { get: (_, name) => (...given) => {
  if (name === "arc") painted.push(given.slice(0, 3));
  if (name === "createRadialGradient") return { addColorStop() {} };
}, set: () => true });
const canvas = node({ clientWidth: 600, clientHeight: 400, getContext: () => context, setPointerCapture() {} });
const select = node({ value: "0" }), facts = {};
const legend = { replaceChildren: (...all) => (recorded.legend = all.length) };
const parts = { canvas, select, ".facts": facts, ".legend": legend };
const root = node({ querySelector: (name) => parts[name] ?? { textContent: data } });
const document = { currentScript: { parentElement: root }, createElement: () => node(), activeElement: canvas };
const flush = () => { const balls = painted; painted = []; return balls; };
class ResizeObserver { observe() {} }
new Function("document", "window", "ResizeObserver", script)(document, { devicePixelRatio: 2 }, ResizeObserver);
const event = (more) => ({ preventDefault: () => n_prevented++, ...more });
const result = { first: flush(), className: recorded.className, facts: facts.textContent, legend: recorded.legend };
listeners.pointerdown(event({ clientX: 10, clientY: 10, pointerId: 1 }));
listeners.pointermove(event({ clientX: 10 + 55 * Math.PI, clientY: 10, pointerId: 1 }));
listeners.pointerup(event({}));
result.quarter = flush();
listeners.pointermove(event({ clientX: 90, clientY: 90 }));
result.released = flush();
listeners.wheel(event({ deltaY: -600 * Math.log(2) }));
result.zoomed = flush();
listeners.keydown(event({ key: "Home" }));
result.home = flush();
listeners.keydown(event({ key: "Tab" }));
result.n_prevented = n_prevented;
select.value = "1";
listeners.change(event({}));
result.second = flush();
result.label = recorded["aria-label"];
console.log(JSON.stringify(result));
"""


def page(crystals, **options):
    (text,) = view_structures(testing.candidates(crystals, key=key), (), ENERGY, **options).values()
    return text


def scripts(text):
    return re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL)


def test_atoms_bonds_and_colours_are_those_of_the_drawing(crystals):
    data = json.loads(scripts(page(crystals))[0])
    salt, scene = data["crystals"][0], build_scene(crystals[0])
    assert [salt["elements"][kind] for kind in salt["kinds"]] == scene.names
    np.testing.assert_allclose(salt["atoms"], scene.atoms, atol=6e-4)
    assert salt["bonds"] == scene.bonds.tolist() and len(salt["corners"]) == 8
    assert data["elements"]["Na"] == {"shades": list(ball_colours("Na")), "radius": round(ball_radius("Na"), 3)}
    assert salt["label"] == "1: NaCl Fm-3m (225), rock salt"
    assert salt["facts"] == "energy 1.5 eV/atom; 8 atoms in the cell"


def test_markup_in_the_data_is_escaped(crystals):
    objective = Objective("</script><script>alert(1)</script>", "<!--")
    (text,) = view_structures(testing.candidates(crystals, key=key), (), (objective,)).values()
    assert len(scripts(text)) == 2 and "<script>alert" not in text and "<!--" not in text


def test_the_view_is_empty_without_a_shortlist_and_limited_in_size(crystals):
    assert view_structures([], testing.candidates(crystals, key=key), ENERGY) == {}
    assert page(crystals, max_structures=2).count("<option") == 2


def test_print_and_readers_without_scripts_get_the_drawing_of_the_first(crystals):
    text = page(crystals)
    assert text.count('<img src="data:image/svg+xml;base64,') == 1 and 'tabindex="0"' in text and "aria-label=" in text


@pytest.mark.skipif(shutil.which("node") is None, reason="node, which runs the script, is not installed")
def test_the_script_draws_rotates_zooms_and_changes_the_candidate(crystals):
    data, script = scripts(page(crystals))
    done = subprocess.run(
        ["node", "-e", HARNESS], input=json.dumps([data, script]), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    result = {name: np.array(v) if isinstance(v, list) else v for name, v in json.loads(done.stdout).items()}
    scene = build_scene(crystals[0])
    assert result["className"] == "interactive"
    assert result["legend"] == 2 and result["facts"].startswith("energy 1.5 eV/atom")
    # Atoms are painted from back to front; the centre of the cell is at the centre of the canvas.
    center = scene.corners.mean(0)
    order = np.argsort(scene.atoms[:, 2], kind="stable")
    offsets = (scene.atoms - center)[order]
    scale = 400 / (2 * (0.8 + np.linalg.norm(scene.corners - center, axis=1).max()))
    pixels = np.stack([300 + scale * offsets[:, 0], 200 - scale * offsets[:, 1]], axis=1)

    def check_positions(painted, positions):
        distances = np.linalg.norm(painted[:, None, :2] - positions[None], axis=2)
        assert distances.shape == (27, 27)
        assert (distances.min(0) < 0.5).all() and (distances.min(1) < 0.5).all()

    check_positions(result["first"], pixels)
    np.testing.assert_allclose(result["first"][-1, :2], pixels[-1], atol=0.5)
    # After a quarter turn to the right, atoms that were near the viewer are on the right.
    check_positions(result["quarter"], np.stack([300 + scale * offsets[:, 2], 200 - scale * offsets[:, 1]], axis=1))
    assert len(result["released"]) == 0
    np.testing.assert_allclose(result["zoomed"][:, 2], 2 * result["quarter"][:, 2])
    np.testing.assert_array_equal(result["home"], result["first"])
    assert result["n_prevented"] == 2, "the wheel and Home are handled, Tab is left to the page"
    assert len(result["second"]) == 15 and "SrTi" in result["label"]
