"""Audits of the designs of a file under the conditions that its labels state."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from invdesign.atlas import fit_auditor
from invdesign.domains.sequences import Sequences
from invdesign.io.corpora import make_corpus
from invdesign.latent.prepare import prepare
from invdesign.runs.audits import with_labels_of
from invdesign.vae.build import aligned_vae
from invdesign.vae.training import Recipe


def test_designs_are_rated_under_their_own_laboratory(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    cores = sorted({"".join(draw.choice(list("ACGT"), p=[0.7, 0.1, 0.1, 0.1], size=9)) for _ in range(900)})
    laboratories = tuple("AB"[i % 2] for i in range(len(cores)))
    designs = tuple(core + {"A": "AAA", "B": "TTT"}[name] for core, name in zip(cores, laboratories, strict=True))
    held_back = slice(0, 40)
    corpus = make_corpus(designs[40:], labels={"laboratory": laboratories[40:]}, name="two laboratories")
    recipe = Recipe(
        partial(aligned_vae, d=6, width=16, n_filters=2), epochs=8, batch=32, condition=["laboratory"],
        information_epochs=0, device="cpu",
    )  # fmt: skip
    space = prepare(Sequences("dna", length="fixed"), corpus, recipe, cache=tmp_path)
    auditor = fit_auditor(space, corpus)
    of_b = [design for design in designs[held_back] if design.endswith("TTT")]
    given = make_corpus(tuple(of_b), labels={"laboratory": ("B",) * len(of_b)}, name="new")
    surprise = [
        np.mean([finding.scores["likelihood"] for finding in each.audit(of_b)])
        for each in (auditor, with_labels_of(auditor, given))
    ]
    assert surprise[1] < surprise[0] - 2
