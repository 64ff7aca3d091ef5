"""Malformed files end in a reason within 2 s and 1 GB: no crash, hang, traceback, or crystal that cannot be."""

import json
import math
import os
import random
import resource
import time
from pathlib import Path

import pytest
from crystal_texts import FM3M, ORIGIN_2, POSCAR, cif, diamond, operators, structure_dictionary

from invdesign.core import InvdesignError
from invdesign.domains.crystals.io.files import read
from invdesign.domains.crystals.sanity import nearest_contact

N_INPUTS = int(os.environ.get("INVDESIGN_FUZZ", "300"))
"""Number of inputs; the environment raises it for a longer search."""
SEED = int(os.environ.get("INVDESIGN_FUZZ_SEED", "0"))
CPU_SECONDS, MEMORY = 2, 1 << 30
SECONDS_PER_ROW = 1e-4
"""Time for each row of a table, which has as many refusals as rows."""

XYZ = '2\nLattice="4.1 0 0 0 4.1 0 0 0 4.1" Properties=species:S:1:pos:R:3 energy=-1\nCs 0 0 0\nCl 2.05 2.05 2.05\n'
FILES = {
    ".cif": [
        cif(),
        cif(stated=operators("x,y,z", "-x,-y,-z")),
        diamond(f"{ORIGIN_2}\n_cell_formula_units_Z 8", ".125"),
    ],
    ".vasp": [POSCAR],
    ".xyz": [XYZ],
    ".json": [json.dumps(structure_dictionary())],
    ".csv": [f'id,cif,gap\n1,"{cif()}",2\n2,"{POSCAR}",1\n', "id,file\n1,a.cif\n"],
}
WORDS = (
    "nan", "inf", "-inf", "1e400", "-1", "0", "1e-300", "9" * 5000, "999999999", "?", ".", "'", '"', ";", "loop_",
    "data_", "\0", "\u22125", "Xx", "OH", "x,y,z", "2x,y,z", "x+1/0,y,z", "[[[[", "{}", "null", "1/3", "0.3333(2)",
    "_cell_length_a", "save_", "global_", "é", "１", "0x10", "1_0", "\t", "\n", "#", FM3M, "P 63/m m c", "Cs", "--",
    "180", "1" * 400,
)  # fmt: skip


def mutate(text, rng):
    """Return a text with some of its words, lines or characters replaced, repeated, removed or exchanged."""
    for _ in range(rng.randint(1, 4)):
        kind = rng.randrange(8)
        lines = text.split("\n")
        i = rng.randrange(len(lines))
        words = lines[i].split(" ")
        j = rng.randrange(len(words))
        if kind == 0:
            words[j] = rng.choice(WORDS)
        elif kind == 1:
            words.insert(j, rng.choice(WORDS))
        elif kind == 2:
            del words[j]
        elif kind == 3:
            words[j] = words[j].translate({ord(rng.choice("0123456789.xyz-")): rng.choice("0123456789.xyz-")})
        lines[i] = " ".join(words)
        if kind == 4:
            lines[i : i + 1] = [lines[i]] * rng.choice([2, 10, 100_000])
        elif kind == 5:
            del lines[i]
        elif kind == 6:
            k = rng.randrange(len(lines))
            lines[i], lines[k] = lines[k], lines[i]
        text = "\n".join(lines)
        if kind == 7:
            text = text[: rng.randrange(len(text) + 1)] + rng.choice(["", "\0" * 9, rng.choice(WORDS) * 1000])
        text = text[:20_000_000] or " "
    return text


def fault_of(path: Path) -> str:
    """Return what is wrong with the way in which a file is read; an empty string where nothing is."""
    start = time.process_time()
    try:
        designs = read(path).designs
    except InvdesignError:
        seconds = time.process_time() - start
        n_rows = path.read_bytes().count(b"\n") if path.suffix == ".csv" else 0
        is_slow = seconds > CPU_SECONDS + n_rows * SECONDS_PER_ROW
        return f"refused after {seconds:.1f} s" if is_slow else ""
    for design in designs:
        volume = math.prod(design.cell[:3])
        if not math.isfinite(volume) or nearest_contact(design)[0] < 0.4 or not 0.3 < volume / design.n_atoms < 2000:
            return f"accepted {design}"[:300]
    return ""


def run_in_child(path: Path) -> str:
    """Return the fault of a file that is read in a child process under limits of time and memory."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        text = "died"
        try:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)
            resource.setrlimit(resource.RLIMIT_CPU, (10 * CPU_SECONDS,) * 2)
            text = fault_of(path)
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"[:300]
        finally:
            os.write(writer, text.encode(errors="replace"))
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        text = stream.read().decode()
    _, status = os.waitpid(child, 0)
    return text if status == 0 else f"ended with status {status}"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs child processes of POSIX")
def test_malformed_files_are_refused_with_a_reason_in_time(tmp_path):
    rng = random.Random(SEED)
    for text in FILES[".cif"]:
        (tmp_path / "warm.cif").write_text(text)
        read(tmp_path / "warm.cif")
    faults = []
    for number in range(N_INPUTS):
        suffix = rng.choice(sorted(FILES))
        path = tmp_path / f"{number}{suffix}"
        path.write_bytes(mutate(rng.choice(FILES[suffix]), rng).encode(errors="replace"))
        fault = run_in_child(path)
        if fault:
            faults.append(f"{path.name}: {fault}; begins {path.read_bytes()[:200]!r}")
        else:
            path.unlink()
    assert not faults, "\n".join(faults)
