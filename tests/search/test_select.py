"""A batch is good and diverse."""

import time
from functools import partial

import pytest
import torch
from botorch.acquisition import UpperConfidenceBound

from invdesign.core import InvdesignError
from invdesign.search.acquisition import log_ei, log_nehvi, posterior_mean, posterior_sample, ucb
from invdesign.search.select import merit, select
from invdesign.surrogate import ConditionedGP


def standing(landscape, pool):
    return landscape.model.posterior(pool[:, None]).mean.squeeze(1)


SCALAR = [log_ei, ucb, posterior_mean, posterior_sample]


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("acquire", [*SCALAR, None])
def test_a_batch_has_distinct_members_and_one_value_each(build, acquire, m):
    landscape = build(m=m)
    pool = torch.randn(50, 3).double()
    picks, values = select(landscape, pool, 20, acquire=acquire)
    assert len(set(picks.tolist())) == 20 and values.shape == (20,)


def test_a_pool_smaller_than_the_batch_is_taken_whole(build):
    picks, _ = select(build(), torch.randn(3, 3).double(), 10, acquire=log_ei)
    assert sorted(picks.tolist()) == [0, 1, 2]
    picks, values = select(build(), torch.empty(0, 3).double(), 10, acquire=log_ei)
    assert len(picks) == len(values) == 0


def test_the_first_pick_is_the_best_of_the_pool(build):
    landscape, pool = build(), torch.randn(100, 3).double()
    acquisition = log_ei(landscape)
    picks, values = select(landscape, pool, 5, acquire=log_ei)
    every = acquisition(pool[:, None])
    assert int(picks[0]) == int(every.argmax())
    assert float(values[0]) == pytest.approx(float(every.max()), abs=1e-6)


def test_hallucination_spreads_a_batch_that_the_bare_ranking_would_crowd(build):
    landscape, acquire = build(n=8), partial(ucb, beta=25.0)
    others = torch.randn(100, 3).double()
    promising = others[acquire(landscape)(others[:, None]).argmax()]
    pool = torch.cat([promising + 1e-3 * torch.randn(30, 3).double(), others])
    ranked = acquire(landscape)(pool[:, None]).argsort(descending=True)[:10]
    picks, _ = select(landscape, pool, 10, acquire=acquire)
    assert int((ranked < 30).sum()) >= 9
    assert int((picks < 30).sum()) <= 2


def test_believed_variances_are_those_of_a_process_that_was_told(build):
    """Rank-one updates against conditioning anew: the second pick follows a measurement at the first's mean."""
    landscape, pool = build(), torch.randn(40, 3).double()
    picks, _ = select(landscape, pool, 2, acquire=partial(ucb, beta=4.0))
    old, first = landscape.model, pool[picks[:1]]
    mean = old.posterior(first).mean
    told = ConditionedGP(
        old.kernel, torch.cat([old.X, first]), torch.cat([old.U, mean]), noise=old.noise, means=old.means
    )
    told.shift, told.scale = old.shift, old.scale
    told._condition()
    posterior = told.posterior(pool[:, None])
    bound = (posterior.mean + 2 * posterior.variance.sqrt()).flatten()
    bound[picks[0]] = -torch.inf
    assert int(picks[1]) == int(bound.argmax())


def test_a_minimum_distance_holds_until_nothing_else_is_left(build):
    landscape, pool = build(), torch.randn(200, 3).double()
    for acquire in (posterior_mean, posterior_sample, None):
        picks, _ = select(landscape, pool, 5, acquire=acquire, min_distance=0.5)
        assert float(torch.pdist(pool[picks]).min()) >= 0.5
    picks, _ = select(landscape, pool, 50, acquire=posterior_mean, min_distance=10.0)
    assert len(set(picks.tolist())) == 50


def test_posterior_samples_choose_better_than_chance_and_not_always_the_same(build):
    landscape, pool = build(n=20), torch.randn(300, 3).double()
    first, _ = select(landscape, pool, 10, acquire=posterior_sample)
    second, _ = select(landscape, pool, 10, acquire=posterior_sample)
    assert set(first.tolist()) != set(second.tolist())
    assert float(standing(landscape, pool[first]).mean()) > float(standing(landscape, pool).mean()) + 1


def test_hypervolume_picks_lie_along_the_front(build):
    """Two peaks at +0.5 and -0.5: the Pareto set is the segment between them."""
    landscape = build(m=2)
    t = torch.linspace(-0.5, 0.5, 9).double()
    on = t[:, None].expand(-1, 3)
    off = 1.5 + torch.rand(100, 3).double()
    picks, values = select(landscape, torch.cat([off, on]), 6, acquire=log_nehvi)
    assert int((picks >= 100).sum()) >= 5
    assert float(torch.cat([off, on])[picks, 0].max() - torch.cat([off, on])[picks[picks >= 100], 0].min()) > 0.5
    assert bool((values[:-1] >= values[1:] - 1e-9).all())


def test_three_objectives_are_no_obstacle(build):
    picks, _ = select(build(m=3), torch.randn(60, 3).double(), 10, acquire=log_nehvi)
    assert len(set(picks.tolist())) == 10


def test_an_acquisition_from_elsewhere_is_accepted(build):
    landscape, pool = build(), torch.randn(60, 3).double()
    acquire = lambda seen: UpperConfidenceBound(seen.model, beta=1.0)  # noqa: E731
    picks, values = select(landscape, pool, 10, acquire=acquire)
    assert int(picks[0]) == int(acquire(landscape)(pool[:, None]).argmax())
    assert len(set(picks.tolist())) == 10 and bool(values.isfinite().all())


def test_what_cannot_be_made_is_not_chosen(build):
    landscape = build(n=8, feasibility=lambda x: torch.where(x[..., 0] > 0, -50.0, 0.0).double())
    pool = torch.randn(100, 3).double()
    for acquire in SCALAR:
        picks, _ = select(landscape, pool, 10, acquire=acquire)
        assert bool((pool[picks, 0] <= 0).all())


def test_a_pool_with_other_columns_is_refused(build):
    with pytest.raises(InvdesignError, match="columns"):
        select(build(), torch.randn(5, 4).double(), 2, acquire=log_ei)


def test_a_batch_of_a_hundred_takes_seconds(build):
    landscape, pool = build(d=32, n=300, m=2), torch.randn(1000, 32).double()
    for acquire in (log_ei, posterior_sample, log_nehvi):
        start = time.process_time()
        select(landscape, pool, 100, acquire=acquire)
        assert time.process_time() - start < 10


def test_merit_is_the_acquisition_itself_but_a_rank_where_hypervolumes_are_asked_for(build, monkeypatch):
    pool = torch.randn(40, 3).double()
    one = log_ei(build())
    assert torch.equal(merit(build(), one, pool).argsort(), one(pool[:, None]).argsort())
    landscape = build(m=2)
    front = log_nehvi(landscape)
    monkeypatch.setattr(type(front), "forward", lambda *_: pytest.fail("it builds the boxes"))
    ranks = merit(landscape, front, pool)
    assert ranks.shape == (40,) and ranks.isfinite().all()
