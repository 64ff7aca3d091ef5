from __future__ import annotations

import torch

from invdesign.atlas import fit_coordinates
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.corpus import fragments
from invdesign.latent.prepare import Pretrained, prepare


def test_coordinates_undo_the_prior_and_count_in_steps_of_the_posterior() -> None:
    designs = fragments(n=20).designs
    latent_space = prepare(Molecules(), None, Pretrained("zinc250k"))
    coordinates = fit_coordinates(latent_space, designs)
    mean, sd = latent_space.vae_posterior(designs)
    X = torch.from_numpy(coordinates(latent_space.encode(designs)))
    assert torch.allclose(X, mean / sd.square().mean(0).sqrt(), atol=1e-2)


def test_the_order_of_tokens_is_left_out_where_near_designs_are_more_similar_without_it() -> None:
    designs = fragments(n=200).designs
    latent_space = prepare(Molecules(), None, Pretrained("zinc250k"))
    coordinates = fit_coordinates(latent_space, designs)
    assert coordinates(latent_space.encode(designs)).shape == (200, 32)
    assert str(coordinates) == "the 32 of 64 latents that do not depend on the order of tokens"
