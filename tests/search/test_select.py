"""A batch is good and diverse."""

import time
from functools import partial

import pytest
import torch
from botorch.acquisition import UpperConfidenceBound

from invdesign.core import InvdesignError
from invdesign.search.acquisition import (
    log_ei,
    log_nehvi,
    one_at_a_time,
    posterior_mean,
    posterior_sample,
    ucb,
)
from invdesign.search.select import BatchAcquisition, BatchRules, Picks, evaluate, merit, select
from invdesign.surrogate import ConditionedGP
from invdesign.surrogate.factor import RowFactor


def posterior_means(landscape, pool):
    return landscape.model.posterior(pool[:, None]).mean.squeeze(1)


def botorch_ucb(landscape):
    return UpperConfidenceBound(landscape.model, beta=1.0)


SCALAR = [log_ei, ucb, posterior_mean, posterior_sample]


@pytest.mark.slow
@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("acquire", [*SCALAR, None])
def test_a_batch_has_distinct_members_and_one_value_each(build, acquire, m):
    landscape = build(m=m)
    pool = torch.randn(50, 3).double()
    picks, values = select(landscape, pool, 20, acquire=acquire)
    assert len(set(picks.tolist())) == 20 and values.shape == (20,)


def test_a_pool_smaller_than_the_batch_is_selected_completely(build):
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


def test_the_kriging_believer_spreads_a_batch_that_a_ranking_would_crowd(build):
    landscape, acquire = build(n=8), partial(ucb, beta=25.0)
    others = torch.randn(100, 3).double()
    promising = others[acquire(landscape)(others[:, None]).argmax()]
    pool = torch.cat([promising + 1e-3 * torch.randn(30, 3).double(), others])
    ranked = acquire(landscape)(pool[:, None]).argsort(descending=True)[:10]
    picks, _ = select(landscape, pool, 10, acquire=acquire)
    assert int((ranked < 30).sum()) >= 9
    assert int((picks < 30).sum()) <= 2


def test_the_updated_variances_are_those_of_a_process_with_the_pick_in_its_data(build):
    """Rank-one updates against conditioning anew: the second pick follows a measurement at the first's mean."""
    landscape, pool = build(), torch.randn(40, 3).double()
    picks, _ = select(landscape, pool, 2, acquire=partial(ucb, beta=4.0))
    old, first = landscape.model, pool[picks[:1]]
    mean = old.posterior(first).mean
    extended = ConditionedGP(
        old.kernel, torch.cat([old.X, first]), torch.cat([old.U, mean]), noise=old.noise, prior_means=old.prior_means
    )
    extended.offset, extended.scale = old.offset, old.scale
    extended._condition(RowFactor(), None)
    posterior = extended.posterior(pool[:, None])
    bound = (posterior.mean + 2 * posterior.variance.sqrt()).flatten()
    bound[picks[0]] = -torch.inf
    assert int(picks[1]) == int(bound.argmax())


def test_a_minimum_distance_holds_until_no_other_point_is_left(build):
    landscape, pool = build(), torch.randn(200, 3).double()
    for acquire in (posterior_mean, posterior_sample, None):
        picks, _ = select(landscape, pool, 5, acquire=acquire, min_distance=0.5)
        assert float(torch.pdist(pool[picks]).min()) >= 0.5
    picks, _ = select(landscape, pool, 50, acquire=posterior_mean, min_distance=10.0)
    assert len(set(picks.tolist())) == 50


def test_positions_that_are_not_apart_are_picked_only_when_no_other_is_left(build):
    landscape, pool = build(), torch.randn(20, 3).double()
    for acquire in (posterior_mean, None):
        picks, _ = select(landscape, pool, 3, acquire=acquire, is_apart=lambda i, j: i % 2 == j % 2)
        assert len({i % 2 for i in picks.tolist()}) == 1
        picks, _ = select(landscape, pool, 11, acquire=acquire, is_apart=lambda i, j: i % 2 == j % 2)
        assert [i % 2 for i in picks.tolist()].count(int(picks[0]) % 2) == 10


def test_values_that_are_not_finite_are_picked_last():
    X = torch.arange(4.0).double()[:, None]
    values = torch.tensor([1.0, torch.nan, 3.0, -torch.inf]).double()
    picks = Picks(X, torch.arange(4), BatchRules(d=1))
    assert [picks.add_best(values) for _ in range(4)][:2] == [2, 0]
    assert sorted(picks.result()[0].tolist()) == [0, 1, 2, 3]


def test_posterior_samples_select_better_than_chance_and_differ_between_batches(build):
    landscape, pool = build(n=20), torch.randn(300, 3).double()
    first, _ = select(landscape, pool, 10, acquire=posterior_sample)
    second, _ = select(landscape, pool, 10, acquire=posterior_sample)
    assert set(first.tolist()) != set(second.tolist())
    assert float(posterior_means(landscape, pool[first]).mean()) > float(posterior_means(landscape, pool).mean()) + 1


def test_hypervolume_picks_are_on_the_front(build):
    """For maxima at +0.5 and -0.5 the Pareto set is the segment between them."""
    landscape = build(m=2)
    t = torch.linspace(-0.5, 0.5, 9).double()
    on = t[:, None].expand(-1, 3)
    off = 1.5 + torch.rand(100, 3).double()
    picks, values = select(landscape, torch.cat([off, on]), 6, acquire=log_nehvi)
    assert int((picks >= 100).sum()) >= 5
    assert float(torch.cat([off, on])[picks, 0].max() - torch.cat([off, on])[picks[picks >= 100], 0].min()) > 0.5
    assert bool((values[:-1] >= values[1:] - 1e-9).all())


def test_a_batch_is_selected_for_three_objectives(build):
    picks, _ = select(build(m=3), torch.randn(60, 3).double(), 10, acquire=log_nehvi)
    assert len(set(picks.tolist())) == 10


def test_an_acquisition_without_batch_selection_raises_an_error_that_names_the_adapter(build):
    landscape, pool = build(), torch.randn(60, 3).double()
    with pytest.raises(InvdesignError, match=r"UpperConfidenceBound: expected the methods.*one_at_a_time"):
        select(landscape, pool, 10, acquire=botorch_ucb)
    with pytest.raises(InvdesignError, match="one_at_a_time"):
        merit(botorch_ucb(landscape), pool)


def test_a_botorch_acquisition_selects_a_batch_through_the_adapter(build):
    landscape, pool = build(), torch.randn(60, 3).double()
    acquire = partial(one_at_a_time, acquire=botorch_ucb)
    picks, values = select(landscape, pool, 10, acquire=acquire)
    every = botorch_ucb(landscape)(pool[:, None])
    assert int(picks[0]) == int(every.argmax())
    assert len(set(picks.tolist())) == 10 and torch.equal(values, every[picks])
    assert torch.equal(merit(acquire(landscape), pool), every)


def test_the_adapter_defers_points_that_correlate_with_a_pick(build):
    landscape = build(n=8)
    others = torch.randn(100, 3).double()
    promising = others[botorch_ucb(landscape)(others[:, None]).argmax()]
    pool = torch.cat([promising + 1e-3 * torch.randn(30, 3).double(), others])
    picks, _ = select(landscape, pool, 10, acquire=partial(one_at_a_time, acquire=botorch_ucb))
    assert int((picks < 30).sum()) <= 2


def test_an_acquisition_of_the_users_selects_its_own_batch(build):
    class First:
        def __call__(self, X):
            return X[:, 0, 0]

        def merit(self, X):
            return evaluate(self, X)

        def select_batch(self, X, q, rules):
            return torch.arange(q), self.merit(X)[:q]

    assert isinstance(First(), BatchAcquisition)
    pool = torch.randn(9, 3).double()
    picks, values = select(build(), pool, 2, acquire=lambda landscape: First())
    assert picks.tolist() == [0, 1] and torch.equal(values, pool[:2, 0])


def test_infeasible_points_are_not_selected(build):
    landscape = build(n=8, feasibility=lambda x: torch.where(x[..., 0] > 0, -50.0, 0.0).double())
    pool = torch.randn(100, 3).double()
    for acquire in SCALAR:
        picks, _ = select(landscape, pool, 10, acquire=acquire)
        assert bool((pool[picks, 0] <= 0).all())


@pytest.mark.slow
@pytest.mark.parametrize("acquire", [*SCALAR, log_nehvi, None])
def test_tensors_are_created_on_the_device_of_the_pool(build, acquire):
    """Under another default device, a tensor created without a device could not be combined with the inputs."""
    landscape, pool = build(m=2 if acquire is log_nehvi else 1), torch.randn(20, 3).double()
    with torch.device("meta"):
        picks, values = select(landscape, pool, 4, acquire=acquire, min_distance=0.1)
    assert picks.device == values.device == pool.device


def test_a_pool_with_other_columns_raises_an_error(build):
    with pytest.raises(InvdesignError, match="columns"):
        select(build(), torch.randn(5, 4).double(), 2, acquire=log_ei)


@pytest.mark.slow
def test_a_batch_of_a_hundred_takes_seconds(build):
    landscape, pool = build(d=32, n=300, m=2), torch.randn(1000, 32).double()
    for acquire in (log_ei, posterior_sample, log_nehvi):
        start = time.process_time()
        select(landscape, pool, 100, acquire=acquire)
        assert time.process_time() - start < 10


def test_merit_is_the_acquisition_value_but_a_rank_for_hypervolumes(build, monkeypatch):
    pool = torch.randn(40, 3).double()
    one = log_ei(build())
    assert torch.equal(merit(one, pool).argsort(), one(pool[:, None]).argsort())
    front = log_nehvi(build(m=2))
    monkeypatch.setattr(type(front), "forward", lambda *_: pytest.fail("the boxes are computed"))
    ranks = merit(front, pool)
    assert ranks.shape == (40,) and ranks.isfinite().all()
