"""A Gaussian process whose hyperparameters are settled: its posterior in closed form, cheap for many candidates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from botorch.acquisition.objective import PosteriorTransform
from botorch.models.model import Model
from botorch.posteriors import GPyTorchPosterior, Posterior
from gpytorch.distributions import MultitaskMultivariateNormal, MultivariateNormal
from gpytorch.kernels import Kernel
from linear_operator.operators import BlockDiagLinearOperator, to_linear_operator
from linear_operator.utils.cholesky import psd_safe_cholesky
from torch import Tensor


class ConditionedGP(Model):
    """A GP with fixed kernel and noise, conditioned on its data once.

    GPyTorch copies the history next to every candidate of a batch (`b x (n + q) x d` numbers), which 2,000 candidates
    with 2,048 features do not allow. Here the batch is flattened against one history, objectives that share a kernel
    share its matrix, and candidates differentiate through the kernel alone.

    Args:
        kernel: reads `[z | features]` (or `z` alone, if that is all it looks at); of standardized utilities.
        X: `n x (d + f)` inputs.
        U: `n x m` utilities; standardized inside, predictions come back in their own unit.
        noise: variance of the noise, in standardized utilities.
        means: prior means (`m`, standardized utilities).
        inducing: `k x (d + f)` points that carry a sparse posterior (Titsias 2009, with settled hyperparameters), or
            None for the exact one.
        unseen: rows that the hyperparameters were not fitted to, where a report should be confined to them; or None.
        is_learnt: whether the kernel has so many learnt weights that a report must fit it anew without what it judges.

    References:
        Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), 2.2 and 5.4.2.
        Titsias, Variational Learning of Inducing Variables in Sparse Gaussian Processes, AISTATS 2009.
    """

    def __init__(
        self,
        kernel: Kernel,
        X: Tensor,
        U: Tensor,
        *,
        noise: float,
        means: Tensor | None = None,
        inducing: Tensor | None = None,
        unseen: Tensor | None = None,
        is_learnt: bool = False,
    ) -> None:
        super().__init__()
        self.kernel = kernel.eval().requires_grad_(False)
        self.unseen, self.is_learnt = unseen, is_learnt
        self.X, self.U, self.noise, self.inducing = X, U, float(noise), inducing
        self.shift = U.mean(0)
        spread = U.std(0) if len(U) > 1 else torch.ones_like(self.shift)
        self.scale = torch.where(spread > 1e-12 * (1 + self.shift.abs()), spread, torch.ones_like(spread))
        self.means = torch.zeros_like(self.shift) if means is None else means
        self._condition()

    @torch.no_grad()
    def _condition(self) -> None:
        residual = self.standardized - self.means
        if self.inducing is None:
            K = self.kernel(self.X).to_dense()
            self.root = psd_safe_cholesky(_with_diagonal(K, self.noise))
            self.gain: Tensor | None = None
            self.weights = torch.cholesky_solve(residual, self.root)
            return
        # Everything in terms of V = L^-1 K_uf: B = I + V V' / noise, whose smallest eigenvalue is 1.
        self.root = psd_safe_cholesky(_with_diagonal(self.kernel(self.inducing).to_dense(), 1e-6))
        B = torch.eye(len(self.inducing), dtype=self.X.dtype)
        right = torch.zeros(len(self.inducing), residual.shape[1], dtype=self.X.dtype)
        for rows in torch.arange(len(self.X)).split(2048):
            V = torch.linalg.solve_triangular(
                self.root, self.kernel(self.inducing, self.X[rows]).to_dense(), upper=False
            )
            B += V @ V.mT / self.noise
            right += V @ residual[rows] / self.noise
        self.gain = psd_safe_cholesky(B)
        self.weights = torch.linalg.solve_triangular(self.root.mT, torch.cholesky_solve(right, self.gain), upper=True)

    @property
    def standardized(self) -> Tensor:
        """`n x m` utilities with mean 0 and sd 1."""
        return (self.U - self.shift) / self.scale

    @property
    def basis(self) -> Tensor:
        """The points that the posterior is written in: the data, or the inducing points."""
        return self.X if self.inducing is None else self.inducing

    @property
    def num_outputs(self) -> int:
        return self.U.shape[1]

    @property
    def batch_shape(self) -> torch.Size:
        return torch.Size()

    def moments(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Mean `b x q x m` and covariance `b x q x q` of standardized utilities at `b x q x (d + f)`, without noise."""
        b, q, _ = X.shape
        flat = X.reshape(b * q, -1)
        Kx = self.kernel(flat, self.basis[:, : flat.shape[1]]).to_dense()
        mean = (self.means + Kx @ self.weights).reshape(b, q, -1)
        V = torch.linalg.solve_triangular(self.root, Kx.mT, upper=False)
        if b == 1:
            cov = self.kernel(flat).to_dense()[None] - _gram(V, b, q)
        elif q == 1:
            cov = self.kernel(flat, diag=True).reshape(b, 1, 1) - _gram(V, b, q)
        else:
            cov = self.kernel(X).to_dense() - _gram(V, b, q)
        if self.gain is not None:
            cov = cov + _gram(torch.linalg.solve_triangular(self.gain, V, upper=False), b, q)
        least = cov.diagonal(dim1=-2, dim2=-1).clamp_min(1e-10) - cov.diagonal(dim1=-2, dim2=-1)
        return mean, cov + torch.diag_embed(least)

    def posterior(
        self,
        X: Tensor,
        output_indices: list[int] | None = None,
        observation_noise: bool | Tensor = False,
        posterior_transform: PosteriorTransform | None = None,
    ) -> Posterior:
        """Joint posterior of the utilities at `batch x q x (d + f)`; see `botorch.models.model.Model.posterior`."""
        outputs = list(range(self.num_outputs)) if output_indices is None else output_indices
        posterior = GPyTorchPosterior(self.gaussian(X, outputs, observation_noise))
        return posterior if posterior_transform is None else posterior_transform(posterior)

    def gaussian(self, X: Tensor, outputs: list[int], observation_noise: bool | Tensor) -> MultivariateNormal:
        """The joint normal distribution of some of the objectives at `batch x q x (d + f)`."""
        batch, q = X.shape[:-2], X.shape[-2]
        mean, cov = self.moments(X.reshape(-1, q, X.shape[-1]))
        if observation_noise is not False:
            cov = cov + self.noise * torch.eye(q, dtype=X.dtype)
        mean = (self.shift + self.scale * mean)[..., outputs].reshape(*batch, q, len(outputs))
        cov = cov.reshape(*batch, q, q)
        scale = self.scale[outputs]
        if len(outputs) == 1:
            return MultivariateNormal(mean.squeeze(-1), to_linear_operator(cov * scale**2))
        blocks = cov.unsqueeze(-3) * (scale**2)[:, None, None]
        return MultitaskMultivariateNormal(mean, BlockDiagLinearOperator(to_linear_operator(blocks)), interleaved=False)

    def subset_output(self, idcs: list[int]) -> ConditionedGP:
        """The same process of some of the objectives; nothing is computed again."""
        part = ConditionedGP.__new__(ConditionedGP)
        Model.__init__(part)
        part.kernel, part.X, part.noise, part.inducing = self.kernel, self.X, self.noise, self.inducing
        part.root, part.gain, part.unseen, part.is_learnt = self.root, self.gain, self.unseen, self.is_learnt
        part.U, part.shift, part.scale = self.U[:, idcs], self.shift[idcs], self.scale[idcs]
        part.means, part.weights = self.means[idcs], self.weights[:, idcs]
        return part

    @torch.no_grad()
    def leave_one_out(self) -> tuple[Tensor, Tensor]:
        """Mean and sd (`n x m` each) of every utility as predicted, noise included, by all the others.

        In closed form, hyperparameters and standardization kept: with `K` the noisy kernel matrix, the mean is
        `y_i - [K^-1 y]_i / [K^-1]_ii` and the variance `1 / [K^-1]_ii`.
        """
        if self.inducing is not None:
            raise ValueError("leave-one-out in closed form is of exact processes; use a held-out part for sparse ones")
        precision = torch.cholesky_inverse(self.root).diagonal()[:, None]
        mean = self.standardized - self.weights / precision
        sd = precision.rsqrt().expand_as(mean)
        return self.shift + self.scale * mean, self.scale * sd

    @torch.no_grad()
    def log_marginal(self) -> Tensor:
        """Log marginal likelihood of each standardized objective (`m`); exact processes only."""
        if self.inducing is not None:
            raise ValueError("the marginal likelihood is of exact processes")
        residual = self.standardized - self.means
        fit = (residual * self.weights).sum(0)
        return -(fit / 2 + self.root.diagonal().log().sum() + len(residual) / 2 * math.log(2 * math.pi))


class IndependentGPs(Model):
    """Several closed-form processes of one objective each, seen as one model of all of them.

    (BoTorch's own list answers a posterior that its hypervolume acquisitions cannot sample.)
    """

    def __init__(self, models: Sequence[ConditionedGP]) -> None:
        super().__init__()
        self.models = tuple(models)

    @property
    def num_outputs(self) -> int:
        return len(self.models)

    @property
    def batch_shape(self) -> torch.Size:
        return torch.Size()

    def posterior(
        self,
        X: Tensor,
        output_indices: list[int] | None = None,
        observation_noise: bool | Tensor = False,
        posterior_transform: PosteriorTransform | None = None,
    ) -> Posterior:
        """Joint posterior of the utilities at `batch x q x (d + f)`; see `botorch.models.model.Model.posterior`."""
        outputs = list(range(self.num_outputs)) if output_indices is None else output_indices
        normals = [self.models[j].gaussian(X, [0], observation_noise) for j in outputs]
        joint = normals[0] if len(normals) == 1 else MultitaskMultivariateNormal.from_independent_mvns(normals)
        posterior = GPyTorchPosterior(joint)
        return posterior if posterior_transform is None else posterior_transform(posterior)

    def subset_output(self, idcs: list[int]) -> Model:
        """The same processes of some of the objectives."""
        return self.models[idcs[0]] if len(idcs) == 1 else IndependentGPs([self.models[j] for j in idcs])


def _gram(V: Tensor, b: int, q: int) -> Tensor:
    """`V'V` within each of `b` groups of `q` columns: `k x (b q)` to `b x q x q`."""
    if b == 1:
        return (V.mT @ V)[None]
    if q == 1:
        return (V * V).sum(0).reshape(b, 1, 1)
    W = V.reshape(-1, b, q).transpose(0, 1)
    return W.mT @ W


def _with_diagonal(K: Tensor, value: float) -> Tensor:
    """K with `value` added to its diagonal, in a new tensor."""
    K = K.clone()
    K.diagonal().add_(value)
    return K
