"""Malformed files end in a reason within 2 s and 1 GB: no crash, hang, traceback, or sequence that cannot be."""

import os
from functools import partial
from pathlib import Path

import fuzzing
import pytest

from invdesign.domains.sequences import WildType
from invdesign.domains.sequences.io.corpus import table
from invdesign.domains.sequences.io.files import read

OWN = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVV"
WILD_TYPE = WildType(OWN)
LETTERS = set("ACDEFGHIKLMNPQRSTVWY")
FILES = {
    ".fasta": [f">a one\n{OWN[:30]}\n{OWN[30:]}\n>b\n{OWN}\n", f">x\n{OWN}/{OWN}\n>y, score=1.2\n{OWN}:{OWN}\n"],
    ".csv": [
        f"name,sequence,score\na,{OWN},1.5\nb,{OWN[1:]}A,>2\n",
        "mutant,y\nK2R;T3G,1\nK2R:A4D,2\np.Ile6Leu,3\nWT,4\nK2del,5\n3insGG,6\n",
    ],
    ".a3m": [f">a\n{OWN[:20]}\n>b\n{OWN[:10]}--acd{OWN[12:20]}\n"],
    ".sto": [f"# STOCKHOLM 1.0\na/1-20 {OWN[:20]}\nb/1-20 {OWN[:10]}--{OWN[12:20]}\n//\n"],
    ".txt": [f"{OWN}\n{OWN[::-1]}\n"],
}
WORDS = (
    *fuzzing.WORDS, ">", ">>", "ACGT" * 50, "MKT*", "X" * 50, "K2R", "K999999999R", "p.[Ser13Ala;", "del",
    "insGG" * 200, "//", "# STOCKHOLM 1.0", "A" * 100_000, "-" * 1000, "/", ":", "V-5G", "52A", "T3T", "B", "Z", "U",
    "O", "mkt", "LOCUS",
)  # fmt: skip


def fault_of(path: Path) -> str:
    """Return what is wrong with the sequences of a file; an empty string where nothing is."""
    load = read
    if path.suffix == ".csv":
        load = partial(table, wild_type=WILD_TYPE, properties={"y": "y"}) if int(path.stem) % 2 else table
    for design in load(path).designs:
        if not design or set(design) - LETTERS - {"-"} or len(design) > 100_000:
            return f"accepted {design}"[:300]
    return ""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs child processes of POSIX")
def test_malformed_files_are_refused_with_a_reason_in_time(tmp_path: Path) -> None:
    (tmp_path / "warm.fasta").write_text(FILES[".fasta"][0])
    read(tmp_path / "warm.fasta")
    faults = fuzzing.find_faults(tmp_path, FILES, fault_of, words=WORDS, tables=tuple(FILES))
    assert not faults, "\n".join(faults)
