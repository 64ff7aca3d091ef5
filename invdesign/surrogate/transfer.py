"""Transfer from another assay: a Gaussian process of two tasks, used where it predicts the measured designs better."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from botorch.acquisition.objective import PosteriorTransform
from botorch.models.model import Model
from botorch.posteriors.gpytorch import GPyTorchPosterior
from botorch.posteriors.posterior import Posterior
from gpytorch.distributions import MultivariateNormal
from gpytorch.kernels import Kernel
from jaxtyping import Float
from torch import Tensor

from invdesign.core import FitSurrogate
from invdesign.surrogate.fitting import choose_rows
from invdesign.surrogate.gp import ConditionedGP
from invdesign.surrogate.robust_fit import Fit, fit_robustly

CORRELATIONS = (0.3, 0.6, 0.8, 0.9, 0.97)
"""Correlations of the two tasks that are tried, with both signs."""
MIN_GAIN = 4.0
"""Leave-one-out log-density [nats] of the measured designs that the second task must gain, so that it is used: the
best of 20 combinations gains up to 3 by chance. With 2 a shuffled source cost 9 % more labels on GB1."""
MAX_SOURCE_POINTS = 1000
"""Largest number of designs of the second task."""


class TaskKernel(Kernel):  # type: ignore[misc, unused-ignore]  # GPyTorch is not typed
    """Product of a kernel on designs and a correlation of two tasks; the last column is the task, 0 or 1.

    It is the intrinsic coregionalization model with standardized tasks.

    References:
        Bonilla, Chai and Williams, Multi-task Gaussian Process Prediction, NeurIPS 2007.
    """

    has_lengthscale = False

    def __init__(self, base: Kernel, correlation: float) -> None:
        """Create the kernel.

        Args:
            base: Kernel on designs.
            correlation: Correlation of the tasks, -1 to 1.
        """
        super().__init__()
        self.base, self.correlation = base, correlation

    def forward(
        self,
        x1: Float[Tensor, "*b n c"],
        x2: Float[Tensor, "*b k c"],
        diag: bool = False,
        last_dim_is_batch: bool = False,
        **params: object,
    ) -> Float[Tensor, "*out"]:
        """Return the kernel matrix `... x n x k`, or its diagonal `... x n`."""
        if diag:
            same = x1[..., -1] == x2[..., -1]
            values: Tensor = self.base(x1[..., :-1], x2[..., :-1], diag=True)
            return values * torch.where(same, 1.0, self.correlation).to(values)
        matrix: Tensor = self.base(x1[..., :-1], x2[..., :-1]).to_dense()
        same = x1[..., :, None, -1] == x2[..., None, :, -1]
        return matrix * torch.where(same, 1.0, self.correlation).to(matrix)


class TransferGP(Model):
    """Surrogate of one utility that also read another assay: a Gaussian process of two tasks, queried for the first."""

    def __init__(self, joint: ConditionedGP, *, n_target: int, offset: Tensor, scale: Tensor) -> None:
        """Wrap a process of both tasks.

        Args:
            joint: Process of the standardized tasks on `[z | features | task]`, the rows of the first task first.
            n_target: Number of rows of the first task.
            offset: Mean of the utility (`1`).
            scale: Standard deviation of the utility (`1`).
        """
        super().__init__()
        self.joint, self.n_target, self.offset, self.scale = joint, n_target, offset, scale

    @property
    def num_outputs(self) -> int:
        """One."""
        return 1

    @property
    def batch_shape(self) -> torch.Size:
        """Empty: the model is not batched."""
        return torch.Size()

    def posterior(
        self,
        X: Float[Tensor, "*b q c"],
        output_indices: list[int] | None = None,
        observation_noise: bool | Tensor = False,
        posterior_transform: PosteriorTransform | None = None,
    ) -> Posterior:
        """Return the joint posterior of the utility; see `botorch.models.model.Model.posterior`.

        Args:
            X: `batch x q x (d + f)` inputs.
            output_indices: Not used: there is one output.
            observation_noise: Whether to add the noise to the variances.
            posterior_transform: Transform of the posterior, or None.
        """
        normal = self.joint.joint_normal(with_task(X, 0.0), [0], observation_noise)
        covariance = normal.lazy_covariance_matrix * self.scale.square()
        posterior = GPyTorchPosterior(MultivariateNormal(self.offset + self.scale * normal.mean, covariance))
        return posterior if posterior_transform is None else posterior_transform(posterior)

    def condition_on_observations(self, X: Tensor, Y: Tensor) -> TransferGP:  # type: ignore[override]
        """Return the model with further designs of the first task, its hyperparameters unchanged.

        Args:
            X: `k x (d + f)` inputs.
            Y: `k x 1` utilities.
        """
        joint, n = self.joint, self.n_target
        standardized = (Y - self.offset) / self.scale
        noise = joint.U.new_full((len(X),), joint.noise)
        row_noise = noise.new_full((len(joint.X),), joint.noise) if joint.row_noise is None else joint.row_noise
        conditioned = _joint(
            joint.kernel,
            torch.cat([joint.X[:n], with_task(X, 0.0), joint.X[n:]]),
            torch.cat([joint.U[:n], standardized, joint.U[n:]]),
            torch.cat([row_noise[:n], noise, row_noise[n:]]),
        )
        return TransferGP(conditioned, n_target=n + len(X), offset=self.offset, scale=self.scale)


@dataclass(frozen=True, eq=False)
class Source:
    """Measurements of another assay."""

    X: Tensor
    """`k x (d + f)` inputs."""
    u: Tensor
    """`k` utilities on the scale of the other assay."""


def fit_transfer(surrogate: FitSurrogate, fitted: Fit, source: Source, *, d: int, name: str = "source") -> Fit:
    """Return the fit of a utility with another assay as a second task; the fit as it is where that predicts worse.

    Kernel and noise are those of the utility or of the other assay, the correlation of the tasks one of a few. The
    combination with the largest leave-one-out log-density of the measured designs is used if it gains `MIN_GAIN` nats
    on the fit without the other assay: a source that contradicts the measurements has no effect.

    Args:
        surrogate: Function that fits the model of each task.
        fitted: Fit of the utility alone.
        source: Measurements of the other assay.
        d: Number of latent columns.
        name: Name of the other assay, in notes.

    Returns:
        The fit, with a note on what became of the source.
    """
    own = fitted.model
    rows = choose_rows(source.u[:, None], MAX_SOURCE_POINTS)
    other = fit_robustly(surrogate, source.X[rows], source.u[rows][:, None], d=d).model
    if not (_is_exact(own) and _is_exact(other)):
        return replace(fitted, notes=(*fitted.notes, f"{name}: not used, there is no exact process of both assays"))
    assert isinstance(own, ConditionedGP) and isinstance(other, ConditionedGP)
    before = log_density_left_out(own, len(own.X), unit=float(own.scale))
    best, best_value, best_correlation = own, before + MIN_GAIN, 0.0
    X = torch.cat([with_task(own.X, 0.0), with_task(other.X, 1.0)])
    U = torch.cat([own.standardized_utilities, other.standardized_utilities])
    for part in (own, other):
        noise = torch.cat([_row_noise(own, part.noise), _row_noise(other, other.noise)])
        for correlation in (*CORRELATIONS, *(-value for value in CORRELATIONS)):
            joint = _joint(TaskKernel(part.kernel, correlation), X, U, noise)
            value = log_density_left_out(joint, len(own.X), unit=1.0)
            if value > best_value:
                best, best_value, best_correlation = joint, value, correlation
    if best is own:
        note = f"{name}: not used, it does not predict the measured designs better"
        return replace(fitted, notes=(*fitted.notes, note))
    model = TransferGP(best, n_target=len(own.X), offset=own.offset, scale=own.scale)
    gain = f"correlation {best_correlation:g}, {best_value - before:.1f} nats better"
    note = f"{name}: {len(other.X)} designs as a second task, {gain}"
    return replace(fitted, model=model, notes=(*fitted.notes, note))


def log_density_left_out(model: ConditionedGP, n: int, *, unit: float) -> float:
    """Return the log-density of the first `n` rows, each as predicted by all other rows.

    Args:
        model: Exact process of one output.
        n: Number of rows.
        unit: Value of the output that counts as 1.
    """
    mean, sd = (values[:n] for values in model.leave_one_out())
    log_density = -0.5 * ((model.U[:n] - mean) / sd).square() - (sd / unit).log() - 0.5 * math.log(2 * math.pi)
    return float(log_density.sum())


def with_task(X: Float[Tensor, "*b c"], task: float) -> Float[Tensor, "*b c1"]:
    """Return inputs with the number of a task as a further column.

    Args:
        X: `... x (d + f)` inputs.
        task: 0 or 1.
    """
    return torch.cat([X, X.new_full((*X.shape[:-1], 1), task)], dim=-1)


def _joint(kernel: Kernel, X: Tensor, U: Tensor, noise: Tensor) -> ConditionedGP:
    return ConditionedGP(kernel, X, U, noise=float(noise.min()), row_noise=noise)


def _row_noise(part: ConditionedGP, noise: float) -> Tensor:
    floor = part.U.new_full((len(part.X),), noise)
    return floor if part.row_noise is None else torch.maximum(floor, part.row_noise)


def _is_exact(model: Model | None) -> bool:
    is_single = isinstance(model, ConditionedGP) and model.num_outputs == 1
    return is_single and model.inducing_points is None  # type: ignore[union-attr]
