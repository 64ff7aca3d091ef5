"""The configuration of a search, and proposals from all its proposers."""

from functools import partial

import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.search import Search, TrustRegion, proposals
from invdesign.search.ascent import maximize_acquisition
from invdesign.search.sampling import elite_paths, local_steps, sobol_cloud
from invdesign.search.search import PROPOSAL_WEIGHTS


def test_equal_seeds_propose_equal_points(build):
    landscape, results = build(), []
    for _ in range(2):
        torch.manual_seed(7)
        results.append(proposals(Search(), landscape, 40)[0])
    assert torch.equal(*results)


def test_weights_are_rounded_to_counts_that_add_up():
    search = Search(propose=(sobol_cloud, elite_paths, local_steps), weights=(0.5, 0.3, 0.2))
    assert search.counts(10) == (5, 3, 2)
    assert search.counts(1) == (1, 0, 0)
    assert all(sum(search.counts(n)) == n for n in range(50))


def test_only_proposers_that_follow_gradients_need_a_surrogate_of_the_latents():
    assert Search().follows_gradients
    assert not Search(propose=(partial(local_steps, is_boxed=False), elite_paths)).follows_gradients
    assert not Search(propose=(sobol_cloud, maximize_acquisition), weights=(1, 0)).follows_gradients
    assert Search(propose=(lambda landscape, n: landscape.center.expand(n, -1),)).follows_gradients


def test_only_the_default_proposers_have_unequal_weights_by_default():
    assert Search().weights == PROPOSAL_WEIGHTS
    assert Search(propose=(sobol_cloud, local_steps)).weights == (1.0, 1.0)


def test_each_proposal_has_the_name_of_its_proposer(build):
    search = Search(propose=(sobol_cloud, partial(local_steps, n_elites=3)), weights=(3.0, 1.0))
    Z, names = proposals(search, build(), 8)
    assert Z.shape == (8, 3) and names == ["sobol_cloud"] * 6 + ["local_steps"] * 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"propose": ()},
        {"propose": ("sobol_cloud",)},
        {"weights": (1.0,)},
        {"weights": (0.0, 0.0, 0.0, 0.0)},
        {"acquire": "log_ei"},
        {"oversample": 0},
        {"n_regions": 2, "trust_region": None},
        {"latent_generations": 0},
        {"latent_generations": 9},
    ],
)
@pytest.mark.usefixtures("without_type_checks")
def test_invalid_fields_raise_an_error(wrong):
    with pytest.raises(InvdesignError, match=r"search: .*expected"):
        Search(**wrong)


def test_a_proposer_with_the_wrong_shape_is_named(build):
    def broken(landscape, n):
        return torch.zeros(n + 1, landscape.d)

    with pytest.raises(InvdesignError, match="broken"):
        proposals(Search(propose=(broken,)), build(), 3)


def test_the_default_trust_region_is_part_of_the_search():
    assert Search().trust_region == TrustRegion()
