"""Crystals from a pattern: the latent space as a further source."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from known_crystals import binary_compounds

from invdesign.core import InvdesignError
from invdesign.domains.crystals import Crystals
from invdesign.domains.crystals.model.token_vae import crystal_token_vae
from invdesign.domains.crystals.powder.diffraction import peaks
from invdesign.domains.crystals.powder.view_training import ViewSettings
from invdesign.domains.crystals.symmetry.canonical import expand
from invdesign.io.corpora import make_corpus
from invdesign.runs.solutions import latent_decoder, solve_pattern, write_solutions


def _measure(crystal: object, path: Path) -> None:
    at, height = peaks(crystal, *expand(crystal), 1.54184, 80.0)
    angles = np.arange(10, 80, 0.03)
    counts = np.exp(-((angles[:, None] - at) ** 2) / 0.01) @ height + 3
    path.write_text("\n".join(f"{x:.2f} {y:.3f}" for x, y in zip(angles, counts, strict=True)))


def test_decoded_crystals_are_compared_beside_known_structures(tmp_path: Path) -> None:
    compounds = binary_compounds()
    corpus = make_corpus(compounds, name="binary", to_text=Crystals().to_text)
    encoding = Crystals().fit(compounds)
    torch.manual_seed(0)
    vae = crystal_token_vae(encoding, d=8, embedding=16, width=16, beam=3, prior="normal").eval()
    space = SimpleNamespace(vae=vae, encoding=encoding)
    settings = ViewSettings(epochs=1, n_changed=0, width=32)
    decode = latent_decoder(space, corpus, tmp_path / "view", 6, settings=settings)
    _measure(compounds[0], tmp_path / "a.xy")
    formula = compounds[0].formula
    alone = solve_pattern(tmp_path / "a.xy", formula, "CuKa", corpus, n=3)
    both = solve_pattern(tmp_path / "a.xy", formula, "CuKa", corpus, n=3, decode=decode)
    assert both.n_tried > alone.n_tried
    assert both.solutions[0].agreement > 0.95 and both.solutions[0].crystal.space_group == compounds[0].space_group
    facts = write_solutions(both, tmp_path / "out")
    assert facts["tried"] == both.n_tried and all(Path(path).is_file() for path in facts["files"])
    assert "best agreement" in (tmp_path / "out" / "solution.html").read_text()


def test_another_model_has_no_view(tmp_path: Path) -> None:
    with pytest.raises(InvdesignError, match="crystals as tokens"):
        latent_decoder(SimpleNamespace(vae=torch.nn.Linear(1, 1)), None, tmp_path, 1)
