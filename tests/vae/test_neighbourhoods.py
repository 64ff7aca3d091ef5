"""Links between designs: what is drawn of them, and the loss term."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.vae.losses import TrainingBatch
from invdesign.vae.models.sequence import SequenceVAE
from invdesign.vae.neighbourhoods import Neighbourhoods, laplacian
from invdesign.vae.training import Recipe, all_terms, train

LINKS = np.array([[0, 1], [2, 1]])


def test_a_neighbour_is_drawn_of_each_design_and_the_design_itself_where_it_has_none() -> None:
    known = Neighbourhoods.of(LINKS, 4)
    drawn = np.array([known.draw(np.arange(4), np.random.default_rng(i)) for i in range(50)])
    assert [set(column.tolist()) for column in drawn.T] == [{1}, {0, 2}, {1}, {3}]
    with pytest.raises(InvdesignError, match="expected links between designs"):
        Neighbourhoods.of(np.zeros((0, 2), dtype=np.int64), 4)


def test_the_term_counts_squared_distances_to_linked_designs_in_variances() -> None:
    torch.manual_seed(0)
    vae = SequenceVAE(7, 6, d=4, embedding=8, width=8).eval()
    x = torch.randint(3, 7, (6, 5))
    posterior = vae.posterior(x)
    assert not laplacian(vae, TrainingBatch(x), posterior, posterior.loc).any()
    itself = laplacian(vae, TrainingBatch(x, linked=x), posterior, posterior.loc)
    torch.testing.assert_close(itself, torch.zeros(6))
    found = laplacian(vae, TrainingBatch(x, linked=x.flip(0)), posterior, posterior.loc)
    expected = (posterior.loc - posterior.loc.flip(0)).square() / posterior.loc.var(0) / 2
    torch.testing.assert_close(found, expected.sum(1))


def test_training_with_links_brings_linked_designs_together() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(3, 8, (200, 6), generator=generator)
    x[1::2, :3], x[:, 5] = x[::2, :3], 1
    links = np.arange(200).reshape(100, 2)
    recipe = Recipe(build=lambda encoding: None, epochs=20, batch=32, held_out=20, warmup=5, device="cpu")
    linked = replace(recipe, neighbours=lambda domain, corpus: links, closeness=3.0)
    assert set(all_terms(linked)) == {"properties", "neighbours"}
    ratios = []
    for settings, known in ((recipe, None), (linked, Neighbourhoods.of(links, 200))):
        torch.manual_seed(0)
        vae = SequenceVAE(8, 6, d=8, embedding=16, width=16)
        mean = train(vae, x, settings, neighbourhoods=known).vae.posterior(x).loc.detach()
        apart = (mean[links[:, 0]] - mean[links[:, 1]]).square().mean()
        ratios.append(float(apart / mean.var(0).mean()))
    assert ratios[1] < 0.7 * ratios[0]
