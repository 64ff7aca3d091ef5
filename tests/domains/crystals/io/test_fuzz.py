"""Malformed files end in a reason within 2 s and 1 GB: no crash, hang, traceback, or crystal that cannot be."""

import json
import math
import os
from pathlib import Path

import fuzzing
import pytest
from crystal_texts import FM3M, ORIGIN_2, POSCAR, cif, diamond, operators, structure_dictionary

from invdesign.domains.crystals.io.files import read
from invdesign.domains.crystals.sanity import nearest_contact

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
    *fuzzing.WORDS, "loop_", "data_", "Xx", "OH", "x,y,z", "2x,y,z", "x+1/0,y,z", "0.3333(2)", "_cell_length_a",
    "save_", "global_", FM3M, "P 63/m m c", "Cs", "180",
)  # fmt: skip


def fault_of(path: Path) -> str:
    """Return what is wrong with the crystals of a file; an empty string where nothing is."""
    for design in read(path).designs:
        volume = math.prod(design.cell[:3])
        if not math.isfinite(volume) or nearest_contact(design)[0] < 0.4 or not 0.3 < volume / design.n_atoms < 2000:
            return f"accepted {design}"[:300]
    return ""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs child processes of POSIX")
def test_malformed_files_are_refused_with_a_reason_in_time(tmp_path):
    for text in FILES[".cif"]:
        (tmp_path / "warm.cif").write_text(text)
        read(tmp_path / "warm.cif")
    faults = fuzzing.find_faults(tmp_path, FILES, fault_of, words=WORDS)
    assert not faults, "\n".join(faults)
