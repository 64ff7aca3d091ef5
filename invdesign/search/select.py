"""Choosing a batch from a pool of decoded designs: good ones that differ."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from botorch.acquisition import AcquisitionFunction
from torch import Tensor

from invdesign.core import Acquire, InvdesignError, Landscape
from invdesign.search.acquisition import HypervolumeImprovement, Pointwise, Sampled, marginals, moments, root
from invdesign.search.ascent import CHUNK, evaluate


@torch.no_grad()
def select(
    landscape: Landscape,
    X_pool: Tensor,
    q: int,
    *,
    acquire: Acquire | None,
    shortlist: int = 500,
    min_distance: float = 0.0,
    is_apart: Callable[[int, int], bool] | None = None,
) -> tuple[Tensor, Tensor]:
    """Choose `q` of the pool, one after the other, each in the light of those before it.

    Scalar acquisitions hallucinate: a pick counts as measured at its mean (kriging believer), which lowers the variance
    around it (GP-BUCB). Thompson sampling draws a posterior sample for each pick. Hypervolume improvement adds each
    pick to the sampled fronts. An acquisition of another kind is evaluated once, and points whose utility correlates
    with that of a pick are put off. All of that happens within the best `shortlist` points of the pool.

    Args:
        landscape: what the search sees.
        X_pool: `p x (d + f)`.
        q: picks; fewer where the pool is smaller.
        acquire: the acquisition, or None to draw at random.
        shortlist: points of the pool that are considered jointly, at least `2 q` of them.
        min_distance: between the latents of two picks; relaxed where nothing else is left.
        is_apart: whether two positions of the pool may both be picked; relaxed likewise.

    Returns:
        Positions in the pool (`q`), and the acquisition value that each was picked for (`q`, NaN at random).

    References:
        Desautels et al., JMLR 15 (2014) 4053 (GP-BUCB). Ginsbourger et al. (2010), doi:10.1007/978-3-642-10701-6_6.
    """
    if X_pool.dim() != 2 or X_pool.shape[1] != landscape.X.shape[1]:
        raise InvdesignError(
            f"select: the pool must be p x {landscape.X.shape[1]}, the columns of X, got {tuple(X_pool.shape)}"
        )
    q = min(q, len(X_pool))
    if q == 0:
        return torch.empty(0, dtype=torch.long), torch.empty(0, dtype=torch.float64)
    if acquire is None:
        order = torch.randperm(len(X_pool))
        picker = _Picker(X_pool[order, : landscape.d], min_distance, order.tolist(), is_apart)
        for i in range(len(order)):
            if len(picker.picks) < q and picker.is_open[i]:
                picker.take(i, math.nan)
        while len(picker.picks) < q:
            picker.take(picker.best(-torch.arange(len(order), dtype=torch.float64)), math.nan)
        return order[torch.tensor(picker.picks)], torch.full((q,), math.nan, dtype=torch.float64)

    acquisition = acquire(landscape)
    first = _first_look(landscape, acquisition, X_pool)
    kept = first.argsort(descending=True)[: max(shortlist, 2 * q)]
    X, picker = X_pool[kept], _Picker(X_pool[kept, : landscape.d], min_distance, kept.tolist(), is_apart)
    if isinstance(acquisition, Pointwise):
        _believe(acquisition, X, q, picker)
    elif isinstance(acquisition, Sampled):
        _thompson(acquisition, X, q, picker)
    elif isinstance(acquisition, HypervolumeImprovement):
        _hypervolume(landscape, acquisition, X, q, picker)
    else:
        _put_off(landscape, X, first[kept], q, picker)
    return kept[torch.tensor(picker.picks)], torch.tensor(picker.values, dtype=torch.float64)


class _Picker:
    """The picks of a batch and which points are still open."""

    def __init__(
        self, Z: Tensor, min_distance: float, rows: list[int], is_apart: Callable[[int, int], bool] | None
    ) -> None:
        self.Z, self.min_distance, self.rows, self.is_apart = Z, min_distance, rows, is_apart
        self.is_open = torch.ones(len(Z), dtype=torch.bool)
        self.is_left = torch.ones(len(Z), dtype=torch.bool)
        self.picks: list[int] = []
        self.values: list[float] = []

    def best(self, values: Tensor) -> int:
        """The best point that is open; one that is only too near to a pick where none is."""
        allowed = self.is_open if bool(self.is_open.any()) else self.is_left
        return (
            int(torch.nan_to_num(values, nan=-math.inf).where(allowed, -torch.inf).argmax())
            if bool(torch.isfinite(values[allowed]).any())
            else int(allowed.nonzero()[0])
        )

    def take(self, i: int, value: float) -> None:
        self.picks.append(i)
        self.values.append(value)
        self.is_left[i] = self.is_open[i] = False
        if self.min_distance > 0:
            self.is_open &= (self.Z - self.Z[i]).norm(dim=1) >= self.min_distance
        if self.is_apart is not None:
            for j in self.is_open.nonzero()[:, 0].tolist():
                self.is_open[j] = self.is_apart(self.rows[i], self.rows[j])


@torch.no_grad()
def merit(landscape: Landscape, acquisition: AcquisitionFunction, X: Tensor) -> Tensor:
    """A value for each of `n x (d + f)` points by itself (`n`): by it the next generation is bred.

    That of hypervolumes is a rank by optimistic bounds: their boxes take minutes where there are three objectives.
    """
    is_costly = isinstance(acquisition, HypervolumeImprovement)
    return _first_look(landscape, acquisition, X) if is_costly else evaluate(acquisition, X)


def _first_look(landscape: Landscape, acquisition: AcquisitionFunction, X: Tensor) -> Tensor:
    """A value for every point of the pool by itself, to shorten it by."""
    if not isinstance(acquisition, Sampled | HypervolumeImprovement):
        return evaluate(acquisition, X)
    # Samples and hypervolumes: the optimistic bound of a random scalarization of standardized utilities, best of a few.
    scale = landscape.U.std(0).clamp_min(1e-12) if len(landscape.U) > 1 else torch.ones_like(landscape.U[0])
    looks = [marginals(landscape.model, rows) for rows in X.split(CHUNK)]
    bound = torch.cat([mean + 1.5 * variance.sqrt() for mean, variance in looks]) / scale
    m = bound.shape[1]
    shares = torch.ones(1, 1, dtype=torch.float64) if m == 1 else _shares(8, m)
    place = acquisition.place(X) / (scale[0] if m == 1 else 1.0)
    ranks = (bound @ shares.mT + place[:, None]).argsort(0, descending=True).argsort(0)
    return -ranks.amin(1).double()


def _shares(k: int, m: int) -> Tensor:
    drawn = torch.distributions.Exponential(torch.ones(k, m, dtype=torch.float64)).sample()
    return drawn / drawn.sum(1, keepdim=True)


def _believe(acquisition: Pointwise, X: Tensor, q: int, picker: _Picker) -> None:
    """Kriging believer: means stay, the covariance loses what each pick would tell (rank one at a time)."""
    mean, cov = torch.zeros(len(X), dtype=X.dtype), torch.zeros(len(X), len(X), dtype=X.dtype)
    for j, weight in enumerate(acquisition.weights.tolist()):
        mean_j, cov_j = moments(acquisition.model, X, j)
        mean, cov = mean + weight * mean_j, cov + weight**2 * cov_j
    place, best = acquisition.place(X), acquisition.best
    noise = 1e-4 * cov.diagonal().mean()
    for _ in range(q):
        values = acquisition.value(mean, cov.diagonal().clamp_min(1e-20).sqrt(), best) + place
        i = picker.best(values)
        picker.take(i, float(values[i]))
        best = torch.maximum(best, mean[i])
        told = cov[:, i] / (cov[i, i].clamp_min(0) + noise).sqrt()
        cov.addr_(told, told, alpha=-1.0)


def _thompson(acquisition: Sampled, X: Tensor, q: int, picker: _Picker) -> None:
    """One posterior sample for each pick, and the best point of it."""
    outputs = range(acquisition.model.num_outputs)
    draws = []
    for mean, cov in (moments(acquisition.model, X, j) for j in outputs):
        draws.append(mean[:, None] + root(cov) @ torch.randn(len(X), q, dtype=X.dtype))
    place = acquisition.place(X)
    for k in range(q):
        values = acquisition.weigh()(torch.stack([draw[:, k] for draw in draws], -1)) + place
        i = picker.best(values)
        picker.take(i, float(values[i]))


def _hypervolume(
    landscape: Landscape,
    acquisition: HypervolumeImprovement,
    X: Tensor,
    q: int,
    picker: _Picker,
    *,
    n_samples: int = 24,
    n_directions: int = 128,
) -> None:
    """Greedy hypervolume improvement over joint samples of baseline and pool; each pick joins the sampled fronts.

    The hypervolume is the mean, over directions from the reference point, of the distance at which the ray leaves the
    dominated region, to the power `m` (Zhang and Golovin, 2020, arXiv:2006.04655, Lemma 5): no boxes to be kept.
    """
    m = landscape.U.shape[1]
    baseline, reference = acquisition.baseline, acquisition.reference
    everything = torch.cat([baseline, X])
    span = (landscape.U.amax(0) - reference).clamp_min(1e-12)
    directions = torch.randn(n_directions, m, dtype=X.dtype).abs().clamp_min(1e-3)
    directions = directions / directions.norm(dim=1, keepdim=True)
    reach = torch.full((n_samples, len(everything), n_directions), torch.inf, dtype=X.dtype)
    for j in range(m):
        mean, cov = moments(landscape.model, everything, j)
        draws = mean[:, None] + root(cov) @ torch.randn(len(everything), n_samples, dtype=X.dtype)
        above = ((draws - reference[j]) / span[j]).clamp_min(0)
        reach = torch.minimum(reach, above.mT[..., None] / directions[:, j])
    reach = reach.pow(m).float()  # single precision: sums of millions of numbers of one size
    known, pool = reach[:, : len(baseline)].amax(1), reach[:, len(baseline) :]
    place = acquisition.place(X)
    for _ in range(q):
        gain = (pool - known[:, None]).clamp_min_(0).mean((0, 2))
        values = gain.double().clamp_min(1e-300).log() + place
        i = picker.best(values)
        picker.take(i, float(values[i]))
        known = torch.maximum(known, pool[:, i])


def _put_off(landscape: Landscape, X: Tensor, values: Tensor, q: int, picker: _Picker) -> None:
    """Order of a fixed acquisition, in which a point waits as long as it correlates with a pick more than 0.95."""
    cov = torch.stack([moments(landscape.model, X, j)[1] for j in range(landscape.U.shape[1])]).sum(0)
    sd = cov.diagonal().clamp_min(1e-20).sqrt()
    correlation = cov / sd[:, None] / sd
    waits = torch.zeros(len(X), dtype=X.dtype)
    span = (values[values.isfinite()].amax() - values[values.isfinite()].amin()).clamp_min(1e-12)
    for _ in range(q):
        i = picker.best(values - 2 * span * (waits > 0.95))
        picker.take(i, float(values[i]))
        waits = torch.maximum(waits, correlation[:, i])
