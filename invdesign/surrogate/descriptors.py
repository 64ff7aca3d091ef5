"""Surrogate of designs with counts of substructures and descriptors: a sum of kernels with learned lengthscales.

In shapes, `c = d + f + p`: latents, features, descriptors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from botorch.models.model import Model
from gpytorch.constraints import GreaterThan, Interval
from gpytorch.kernels import Kernel, MaternKernel
from gpytorch.priors import LogNormalPrior
from jaxtyping import Float
from torch import Tensor, nn

from invdesign.core import InvdesignError
from invdesign.surrogate.fitting import (
    N_THINNED,
    choose_rows,
    count_equal_rows,
    fit_hyperparameters,
)
from invdesign.surrogate.gp import ConditionedGP, IndependentGPs
from invdesign.surrogate.kernels import MinMaxKernel, check_counts

FIRST_FIT = 50
"""Designs up to which the hyperparameters are fitted to all."""
REFIT_GROWTH = 1.5
"""Growth of the data at which the hyperparameters are fitted again."""
MIN_UNIT = 0.3
"""Smallest unit of a descriptor: an element that no measured design has still separates a design from all of them. A
difference of 1 is expected to matter, see `Descriptors`."""
MIN_SHARE = 0.05
"""Smallest share of counts, and of descriptors, in the prior variance."""
LENGTHSCALE = 8.0
"""Median of the prior of lengthscales [standard deviations of a descriptor]: most descriptors matter little."""
LENGTHSCALE_SPREAD = 1.5
"""Standard deviation of the logarithm of a lengthscale in its prior."""


class FitSettings(NamedTuple):
    """Settings of a fit of the hyperparameters."""

    max_fit_points: int
    """Largest number of rows that they are fitted to."""
    max_steps: int
    """Largest number of L-BFGS iterations."""
    noise_floor: float
    """Smallest noise variance."""


class DescriptorKernel(Kernel):  # type: ignore[misc, unused-ignore]  # GPyTorch is not typed
    """Weighted mean of a MinMax kernel on counts and a Matern-5/2 kernel on descriptors.

    `k(x, x') = w minmax(f, f') + (1 - w) matern(a / (l s), a' / (l s))` for counts `f` and descriptors `a`, each of
    which has a unit `s` and a lengthscale `l`.

    References:
        Ralaivola et al., Neural Networks 18 (2005) 1093, doi:10.1016/j.neunet.2005.07.009 (MinMax kernel).
    """

    has_lengthscale = False

    def __init__(self, counts: MinMaxKernel, unit: Float[Tensor, " p"]) -> None:
        """Create the kernel.

        Args:
            counts: Kernel on the counts, which end before the descriptors.
            unit: Unit `s` of each descriptor, in which its lengthscale is measured.
        """
        super().__init__()
        self.counts = counts
        self.register_buffer("unit", unit)
        self.fitted_utilities = unit.new_zeros(0, 1)
        """Utilities of the designs that the hyperparameters were fitted to (`n x 1`)."""
        self.settings: FitSettings | None = None
        """Settings of that fit."""
        prior = LogNormalPrior(loc=math.log(LENGTHSCALE), scale=LENGTHSCALE_SPREAD)
        constraint = GreaterThan(0.05, transform=None, initial_value=LENGTHSCALE)
        self.register_parameter("count_share", nn.Parameter(torch.tensor(0.5, dtype=torch.float64)))
        self.register_constraint("count_share", Interval(MIN_SHARE, 1 - MIN_SHARE, transform=None, initial_value=0.5))
        self.matern = MaternKernel(ard_num_dims=len(unit), lengthscale_prior=prior, lengthscale_constraint=constraint)

    def forward(
        self,
        x1: Float[Tensor, "*b n c"],
        x2: Float[Tensor, "*b k c"],
        diag: bool = False,
        last_dim_is_batch: bool = False,
        **params: object,
    ) -> Float[Tensor, "*out"]:
        """Return the kernel matrix `... x n x k`, or its diagonal `... x n`."""
        p = len(self.unit)
        A, B = x1[..., -p:] / self.unit, x2[..., -p:] / self.unit
        share: Tensor = self.count_share
        K: Tensor = share * self.counts.forward(x1, x2, diag=diag) + (1 - share) * self.matern.forward(A, B, diag=diag)
        return K


def descriptor_gp(
    X: Float[Tensor, "n c"],
    U: Float[Tensor, "n m"],
    *,
    d: int,
    n_descriptors: int = 0,
    max_fit_points: int = 300,
    max_steps: int = 40,
    max_points: int = 12_000,
    noise_floor: float = 1e-4,
    previous: Model | None = None,
) -> Model:
    """Fit a GP on counts of substructures and descriptors; the latents are not used.

    What a property depends on, e.g. the formula or log P, is spread over hundreds of counts, and a process on counts
    alone does not find it in some hundred designs. Descriptors alone do not distinguish isomers. From 100 measured
    molecules, the root mean square error on others is .90 instead of 1.38 for log solubility, 1.76 instead of 2.72
    kcal/mol for hydration free energies, and 1.10 in both cases for log D (`results/benchmarks/descriptors.md`).

    The hyperparameters are fitted to the first designs: to all of them up to 50, then again whenever these have grown
    by half. In between the Cholesky factor is extended. The hyperparameters depend on the data alone: a resumed
    campaign has the same model, up to rounding. The prior mean and the noise, in standardized utilities, are kept while
    the mean and the spread of the utilities change; converting them did not predict better.

    Leave-one-out cross-validation includes the rows that the hyperparameters were fitted to: from 30 or 100 designs the
    rank correlation that it states is up to .16 too high. Each objective has its own process, so that two objectives
    take twice the time and memory of one.

    Args:
        X: `n x (d + f + p)` inputs: latents, features `>= 0` (counts are fast), descriptors.
        U: `n x m` utilities; each objective has its own hyperparameters.
        d: Number of latent columns.
        n_descriptors: Number of descriptors `p`, the last columns; the campaign sets it.
        max_fit_points: Largest number of rows that hyperparameters are fitted to (the best, the newest and random
            ones); the posterior uses all rows.
        max_steps: Largest number of L-BFGS iterations.
        max_points: Largest number of rows that are all used; of a longer history 4,000 are.
        noise_floor: Smallest noise variance.
        previous: Model of the round before, whose hyperparameters and Cholesky factor are used as far as they hold.

    Raises:
        InvdesignError: There are no descriptors, no features, or negative features.

    Example:
        >>> counts = torch.tensor([[1, 0], [0, 1], [1, 1], [2, 0]], dtype=torch.float64)
        >>> size = counts.sum(1, keepdim=True)
        >>> X = torch.cat([torch.zeros_like(size), counts, size], 1)
        >>> descriptor_gp(X, size.square(), d=1, n_descriptors=1).posterior(X).mean.shape
        torch.Size([4, 1])
    """
    if not n_descriptors:
        raise InvdesignError(
            "surrogate descriptor_gp: expected descriptors of the domain, got none. Use surrogate=tanimoto_gp or auto"
        )
    stop = X.shape[1] - n_descriptors
    check_counts(X[:, d:stop])
    if len(X) > max_points:
        rows = choose_rows(U, N_THINNED)
        X, U = X[rows], U[rows]
    settings = FitSettings(max_fit_points, max_steps, noise_floor)
    old = _parts_of(previous, U.shape[1], columns=(d, stop), width=X.shape[1])
    counts = MinMaxKernel(d, stop) if old[0] is None else old[0].kernel.counts
    models = []
    for j, part in enumerate(old):
        # A copy: sums over another memory layout differ in the last digit, which L-BFGS amplifies.
        u = U[:, j : j + 1].clone(memory_format=torch.contiguous_format)
        if part is not None and _is_current(part, X, u, settings):
            factor = part.factor.first(count_equal_rows(part.X, X))
            kernel, noise, means = part.kernel, part.noise, part.prior_means
        else:
            kernel = _make_kernel(counts, X, p=n_descriptors)
            noise, means = _fit(kernel, X, u, settings)
            factor = None
        models.append(ConditionedGP(kernel, X, u, noise=noise, prior_means=means, factor=factor))
    return models[0] if len(models) == 1 else IndependentGPs(models)


def count_fitted(n: int) -> int:
    """Return the number of first designs that hyperparameters are fitted to.

    Args:
        n: Number of designs.

    Example:
        >>> [count_fitted(n) for n in (30, 60, 80, 1000)]
        [30, 50, 75, 850]
    """
    n_fitted = FIRST_FIT
    while n_fitted * REFIT_GROWTH <= n:
        n_fitted = int(n_fitted * REFIT_GROWTH)
    return min(n, n_fitted)


def _make_kernel(counts: MinMaxKernel, X: Tensor, *, p: int) -> DescriptorKernel:
    """Return the kernel to fit, with descriptors in units of their spread among the designs that it is fitted to."""
    spread = X[: count_fitted(len(X)), -p:].std(0)
    return DescriptorKernel(counts, spread.clamp_min(MIN_UNIT))


def _fit(kernel: DescriptorKernel, X: Tensor, u: Tensor, settings: FitSettings) -> tuple[float, Tensor]:
    """Fit a kernel to the first designs; return the variance of the noise and the prior mean."""
    n = count_fitted(len(X))
    # The rows that are drawn depend on the data alone, not on the round.
    with torch.random.fork_rng(devices=[X.device] if X.is_cuda else []):
        seed = torch.manual_seed if X.is_cuda else torch.default_generator.manual_seed
        seed(n)
        fitted = fit_hyperparameters(kernel, X[:n], u[:n], **settings._asdict())
    kernel.fitted_utilities, kernel.settings = u[:n], settings
    return fitted.noise, fitted.mean


def _parts_of(model: Model | None, m: int, *, columns: tuple[int, int], width: int) -> Sequence[ConditionedGP | None]:
    """Return the processes of `m` objectives that have this kernel on these columns, or None for each."""
    parts = list(model.models) if isinstance(model, IndependentGPs) else [model]
    usable = [part for part in parts if isinstance(part, ConditionedGP) and isinstance(part.kernel, DescriptorKernel)]
    of_columns = [p for p in usable if (p.kernel.counts.start, p.kernel.counts.stop, p.X.shape[1]) == (*columns, width)]
    return of_columns if len(of_columns) == m else [None] * m


def _is_current(old: ConditionedGP, X: Tensor, u: Tensor, settings: FitSettings) -> bool:
    """Return whether a fit to these data would return the hyperparameters of a process."""
    if old.row_noise is not None or old.kernel.settings != settings:
        return False
    n = count_fitted(len(X))
    return torch.equal(old.kernel.fitted_utilities, u[:n]) and count_equal_rows(old.X, X) >= n
