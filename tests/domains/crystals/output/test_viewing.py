"""The view of structures: whole in itself, safe to embed, and its script runs."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from invdesign import testing
from invdesign.core import Objective
from invdesign.domains.crystals.output.drawing import radius, scene, shades
from invdesign.domains.crystals.output.viewing import structures
from invdesign.domains.crystals.symmetry.canonical import key

ENERGY = (Objective("energy", "eV/atom", "minimize"),)
# A page of one view: it runs the script, uses it, and tells what was painted.
STAGE = """
const [data, script] = JSON.parse(require("fs").readFileSync(0, "utf8"));
let painted = [], heard = {}, said = {}, stopped = 0;
const node = (more) => ({ style: {}, append() {}, classList: { add: (name) => (said.live = name) },
  addEventListener: (name, act) => (heard[name] = act), setAttribute: (name, text) => (said[name] = text), ...more });
const pen = new Proxy({}, { get: (_, name) => (...given) => {
  if (name === "arc") painted.push(given.slice(0, 3));
  if (name === "createRadialGradient") return { addColorStop() {} };
}, set: () => true });
const canvas = node({ clientWidth: 600, clientHeight: 400, getContext: () => pen, setPointerCapture() {} });
const choice = node({ value: "0" }), facts = {}, legend = { replaceChildren: (...all) => (said.legend = all.length) };
const parts = { canvas, select: choice, ".facts": facts, ".key": legend };
const root = node({ querySelector: (name) => parts[name] ?? { textContent: data } });
const document = { currentScript: { parentElement: root }, createElement: () => node(), activeElement: canvas };
const view = () => { const now = painted; painted = []; return now; };
class ResizeObserver { observe() {} }
new Function("document", "window", "ResizeObserver", script)(document, { devicePixelRatio: 2 }, ResizeObserver);
const event = (more) => ({ preventDefault: () => stopped++, ...more });
const answer = { first: view(), live: said.live, facts: facts.textContent, legend: said.legend };
heard.pointerdown(event({ clientX: 10, clientY: 10, pointerId: 1 }));
heard.pointermove(event({ clientX: 10 + 55 * Math.PI, clientY: 10, pointerId: 1 }));
heard.pointerup(event({}));
answer.quarter = view();
heard.pointermove(event({ clientX: 90, clientY: 90 }));
answer.released = view();
heard.wheel(event({ deltaY: -600 * Math.log(2) }));
answer.closer = view();
heard.keydown(event({ key: "Home" }));
answer.home = view();
heard.keydown(event({ key: "Tab" }));
answer.stopped = stopped;
choice.value = "1";
heard.change(event({}));
answer.second = view();
answer.label = said["aria-label"];
console.log(JSON.stringify(answer));
"""


def page(crystals, **options):
    (text,) = structures(testing.candidates(crystals, key=key), (), ENERGY, **options).values()
    return text


def scripts(text):
    return re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL)


def test_atoms_bonds_and_colours_are_those_of_the_drawing(crystals):
    said = json.loads(scripts(page(crystals))[0])
    salt, shown = said["crystals"][0], scene(crystals[0])
    assert [salt["elements"][kind] for kind in salt["kinds"]] == shown.names
    np.testing.assert_allclose(salt["atoms"], shown.atoms, atol=6e-4)
    assert salt["bonds"] == shown.bonds.tolist() and len(salt["corners"]) == 8
    assert said["elements"]["Na"] == {"shades": list(shades("Na")), "radius": round(radius("Na"), 3)}
    assert salt["label"] == "1: NaCl Fm-3m (225), rock salt"
    assert salt["facts"] == "energy 1.5 eV/atom; 8 atoms in the cell"


def test_data_cannot_break_out_of_their_script(crystals):
    naughty = Objective("</script><script>alert(1)</script>", "<!--")
    (text,) = structures(testing.candidates(crystals, key=key), (), (naughty,)).values()
    assert len(scripts(text)) == 2 and "<script>alert" not in text and "<!--" not in text


def test_without_a_shortlist_there_is_nothing_to_view_and_most_says_how_many(crystals):
    assert structures([], testing.candidates(crystals, key=key), ENERGY) == {}
    assert page(crystals, most=2).count("<option") == 2


def test_paper_and_readers_without_scripts_get_the_drawing_of_the_first(crystals):
    text = page(crystals)
    assert text.count('<img src="data:image/svg+xml;base64,') == 1 and 'tabindex="0"' in text and "aria-label=" in text


@pytest.mark.skipif(shutil.which("node") is None, reason="node, which runs the page's script, is not installed")
def test_the_script_draws_turns_zooms_and_changes_the_candidate(crystals):
    data, script = scripts(page(crystals))
    done = subprocess.run(
        ["node", "-e", STAGE], input=json.dumps([data, script]), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found = {name: np.array(v) if isinstance(v, list) else v for name, v in json.loads(done.stdout).items()}
    shown = scene(crystals[0])
    assert found["live"] == "live" and found["legend"] == 2 and found["facts"].startswith("energy 1.5 eV/atom")
    # Painted from back to front, in the place of the first view: the middle of the cell is that of the canvas.
    order = np.argsort(shown.atoms[:, 2], kind="stable")
    off = (shown.atoms - shown.corners.mean(0))[order]
    scale = 400 / (2 * (0.8 + np.linalg.norm(shown.corners - shown.corners.mean(0), axis=1).max()))
    pixels = np.stack([300 + scale * off[:, 0], 200 - scale * off[:, 1]], axis=1)

    def same(painted, places):
        apart = np.linalg.norm(painted[:, None, :2] - places[None], axis=2)
        assert apart.shape == (27, 27) and (apart.min(0) < 0.5).all() and (apart.min(1) < 0.5).all()

    same(found["first"], pixels)
    np.testing.assert_allclose(found["first"][-1, :2], pixels[-1], atol=0.5)
    # A quarter of a turn to the right brings what was near to the right.
    same(found["quarter"], np.stack([300 + scale * off[:, 2], 200 - scale * off[:, 1]], axis=1))
    assert len(found["released"]) == 0
    np.testing.assert_allclose(found["closer"][:, 2], 2 * found["quarter"][:, 2])
    np.testing.assert_array_equal(found["home"], found["first"])
    assert found["stopped"] == 2, "the wheel and Home are taken, Tab is left to the page"
    assert len(found["second"]) == 15 and "SrTi" in found["label"]
