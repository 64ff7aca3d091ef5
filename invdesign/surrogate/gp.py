"""Gaussian process with fixed hyperparameters and a closed-form posterior, fast for many candidates.

In shapes, `c = d + f` is the number of columns of the inputs: latents, then features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from botorch.acquisition.objective import PosteriorTransform
from botorch.models.model import Model
from botorch.posteriors.gpytorch import GPyTorchPosterior
from botorch.posteriors.posterior import Posterior
from gpytorch.distributions import MultitaskMultivariateNormal, MultivariateNormal
from gpytorch.kernels import Kernel
from jaxtyping import Float, Int64
from linear_operator.operators import BlockDiagLinearOperator, to_linear_operator
from linear_operator.utils.cholesky import psd_safe_cholesky
from torch import Tensor

from invdesign.core import first_occurrences
from invdesign.surrogate.factor import RowFactor
from invdesign.surrogate.inducing import SparseSums

CHUNK = 2048
"""Rows of the data that are read at once, which bounds the memory."""
MAX_EXACT_VARIANCE_POINTS = 2000
"""Data up to which variances are conditioned on all of them."""
N_NEIGHBORS = 1000
"""Data nearest to the points of a call, on which their variances are conditioned where there are more data: each point
contributes an equal part of them, e.g. 6 of 145 points. On 400 mutated molecules and 4,000 measured ones, standard
deviations are 11 % larger (median) than those given all data and have a rank correlation of .985 with them (see
`results/benchmarks/overhead.md`)."""
MAX_MEMO = 64 * 2**20
"""Bytes that are kept for points that come again: their kernel values with the basis points, and the covariances that
the data explain where these do not depend on the other points of a call."""


class ConditionedGP(Model):
    """Gaussian process with a fixed kernel and fixed noise, conditioned on its data once.

    GPyTorch copies the data for every candidate of a batch (`b x (n + q) x d` numbers), which is too much for 2,000
    candidates with 2,048 features. Here the batch is flattened and evaluated against one copy of the data, objectives
    that share a kernel share its matrix, and gradients flow through the kernel alone.

    References:
        Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), 2.2 and 5.4.2.
        Titsias, Variational Learning of Inducing Variables in Sparse Gaussian Processes, AISTATS 2009.

    Example:
        >>> from gpytorch.kernels import MaternKernel
        >>> X = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
        >>> gp = ConditionedGP(MaternKernel().double(), X, torch.tensor([[0.0], [2.0]]).double(), noise=1e-6)
        >>> gp.posterior(X).mean.round(decimals=3).flatten().tolist()
        [0.0, 2.0]
    """

    def __init__(
        self,
        kernel: Kernel,
        X: Float[Tensor, "n c"],
        U: Float[Tensor, "n m"],
        *,
        noise: float,
        prior_means: Float[Tensor, " m"] | None = None,
        inducing_points: Float[Tensor, "k c"] | None = None,
        held_out_rows: Int64[Tensor, " h"] | None = None,
        has_learned_kernel: bool = False,
        row_noise: Float[Tensor, " n"] | None = None,
        factor: RowFactor | None = None,
        sums: SparseSums | None = None,
    ) -> None:
        """Condition the process on the data.

        Args:
            kernel: Kernel of standardized utilities; reads `[z | features]`, or `z` alone if it has no other active
                dimensions. It is moved to the device of `X`.
            X: `n x (d + f)` inputs.
            U: `n x m` utilities. They are standardized inside; predictions are in the unit of the utilities.
            noise: Variance of the noise, in standardized utilities.
            prior_means: Prior means (`m`, in standardized utilities); zero by default.
            inducing_points: `k x (d + f)` points of a sparse posterior (Titsias 2009, with fixed hyperparameters), or
                None for the exact posterior.
            held_out_rows: Rows that the hyperparameters were not fitted to, to which cross-validation is confined; or
                None.
            has_learned_kernel: Whether cross-validation must refit the kernel without the test rows, because its many
                learned weights would overfit them.
            row_noise: Known variance of the noise of each row, in standardized utilities: it counts where it is larger
                than `noise`. Not used by a sparse posterior.
            factor: Factor of the noisy kernel matrix of the first rows of `X`, computed before with this kernel and
                this noise: it is extended by the other rows.
            sums: Sums over the first rows of `X` with these inducing points, kernel and noise, computed before.
        """
        super().__init__()
        self.kernel = kernel.to(X.device).eval().requires_grad_(False)
        self.held_out_rows, self.has_learned_kernel = held_out_rows, has_learned_kernel
        self.X, self.U, self.noise, self.inducing_points = X, U, float(noise), inducing_points
        self.row_noise = row_noise
        self.offset = U.mean(0)
        spread = U.std(0) if len(U) > 1 else torch.ones_like(self.offset)
        self.scale = torch.where(spread > 1e-12 * (1 + self.offset.abs()), spread, torch.ones_like(spread))
        self.prior_means = torch.zeros_like(self.offset) if prior_means is None else prior_means
        self._memo: dict[bytes, tuple[Tensor, Tensor]] = {}
        self._nearest: tuple[Tensor, RowFactor] | None = None
        self._condition(factor or RowFactor(), sums)

    @torch.no_grad()
    def _condition(self, factor: RowFactor, sums: SparseSums | None) -> None:
        residual = self.standardized_utilities - self.prior_means
        self.sums: SparseSums | None = None
        self.sparse_cholesky: Tensor | None = None
        if self.inducing_points is None:
            noise = self.X.new_full((len(self.X),), self.noise)
            noise = noise if self.row_noise is None else torch.maximum(noise, self.row_noise)
            is_small = len(self.X) <= CHUNK and not len(factor)
            matrix = self.kernel(self.X).to_dense() if is_small else None
            self.factor = factor.extended(len(self.X), _noisy_rows(self.kernel, self.X, noise, matrix))
            self.coefficients = self.factor.solve_transposed(self.factor.solve(residual))
            return
        # B = I + V V' / noise with V = L^-1 K_uf: its smallest eigenvalue is 1.
        start = SparseSums.start(self.kernel, self.inducing_points, self.offset) if sums is None else sums
        self.sums = start.with_rows(self.kernel, self.X, self.U, noise=self.noise)
        self.factor = self.sums.factor
        self.sparse_cholesky = psd_safe_cholesky(self.sums.precision)
        right = self.sums.right_side(self.offset, self.scale, self.prior_means)
        self.coefficients = self.factor.solve_transposed(torch.cholesky_solve(right, self.sparse_cholesky))

    @property
    def standardized_utilities(self) -> Float[Tensor, "n m"]:
        """Utilities with mean 0 and standard deviation 1 (`n x m`)."""
        return (self.U - self.offset) / self.scale

    @property
    def basis_points(self) -> Float[Tensor, "k c"]:
        """Points whose kernel functions the posterior mean is a sum of: the data, or the inducing points."""
        return self.X if self.inducing_points is None else self.inducing_points

    @property
    def num_outputs(self) -> int:
        """Number of objectives."""
        return self.U.shape[1]

    @property
    def batch_shape(self) -> torch.Size:
        """Empty: the model is not batched."""
        return torch.Size()

    def standardized_moments(self, X: Float[Tensor, "b q c2"]) -> tuple[Float[Tensor, "b q m"], Float[Tensor, "b q q"]]:
        """Return the posterior mean and covariance of standardized utilities, without noise.

        The mean is that of all data. With more than 2,000 data the covariance is conditioned on those that are nearest
        to the points, which never makes a variance smaller: its cost does not grow with the data.

        Args:
            X: `b x q x (d + f)` inputs, or `b x q x d` if the kernel reads the latents alone.

        Returns:
            Mean `b x q x m` and covariance `b x q x q`, which all objectives share.
        """
        b, q, _ = X.shape
        flat = X.reshape(b * q, -1)
        Kx, V = self._relate(flat)
        mean = (self.prior_means + Kx @ self.coefficients).reshape(b, q, -1)
        if b == 1:
            cov = self.kernel(flat).to_dense()[None] - _gram(V, b, q)
        elif q == 1:
            cov = self.kernel(flat, diag=True).reshape(b, 1, 1) - _gram(V, b, q)
        else:
            cov = self.kernel(X).to_dense() - _gram(V, b, q)
        if self.sparse_cholesky is not None:
            cov = cov + _gram(torch.linalg.solve_triangular(self.sparse_cholesky, V, upper=False), b, q)
        variance = cov.diagonal(dim1=-2, dim2=-1)
        return mean, cov + torch.diag_embed(variance.clamp_min(1e-10) - variance)

    def _relate(self, flat: Float[Tensor, "p c2"]) -> tuple[Float[Tensor, "p k"], Float[Tensor, "h p"]]:
        """Return kernel values of points with the basis points, and `V`: `V'V` is the covariance that data explain.

        A round scores the points of its pool several times: what is computed of a point is kept.
        """
        basis = self.basis_points[:, : flat.shape[1]]
        if flat.requires_grad:
            related: Tensor = self.kernel(flat, basis).to_dense()
            return related, self._explain(related)
        keys = [row.tobytes() for row in flat.detach().cpu().numpy()]
        new = [i for i in first_occurrences(keys) if keys[i] not in self._memo]
        # The factor has a row for each basis point, so that the two entries of a point are equally long.
        n_stored = len(self._memo) * len(basis) * (2 if self._uses_all_data else 1)
        if n_stored * flat.element_size() > MAX_MEMO:
            self._memo.clear()
            new = first_occurrences(keys)
        if new:
            added = self.kernel(flat[new], basis).to_dense()
            columns = self._explain(added).mT if self._uses_all_data else added[:, :0]
            self._memo.update(zip((keys[i] for i in new), zip(added, columns, strict=True), strict=True))
        related = torch.stack([self._memo[key][0] for key in keys])
        if not self._uses_all_data:
            return related, self._explain(related)
        return related, torch.stack([self._memo[key][1] for key in keys]).mT

    @property
    def _uses_all_data(self) -> bool:
        """Whether the variances of a point do not depend on the other points of a call."""
        return self.inducing_points is not None or len(self.X) <= MAX_EXACT_VARIANCE_POINTS

    def _explain(self, Kx: Float[Tensor, "p k"]) -> Float[Tensor, "h p"]:
        """Return `V` for kernel values with the basis points; `V'V` is the covariance that the data explain."""
        if self._uses_all_data:
            return self.factor.solve(Kx.mT)
        rows = Kx.detach().topk(max(1, N_NEIGHBORS // len(Kx)), dim=1).indices.unique()
        # A batch is selected from the points that were scored before: their nearest data are the same.
        if self._nearest is None or not torch.equal(self._nearest[0], rows):
            self._nearest = rows, self._factor_of(rows)
        return self._nearest[1].solve(Kx[:, rows].mT)

    @torch.no_grad()
    def _factor_of(self, rows: Int64[Tensor, " h"]) -> RowFactor:
        """Return the factor of the noisy kernel matrix of some of the data."""
        noise = self.X.new_full((len(rows),), self.noise)
        noise = noise if self.row_noise is None else torch.maximum(noise, self.row_noise[rows])
        K = self.kernel(self.X[rows]).to_dense()
        return RowFactor().extended(len(rows), _noisy_rows(self.kernel, self.X[rows], noise, K))

    def posterior(
        self,
        X: Float[Tensor, "*b q c2"],
        output_indices: list[int] | None = None,
        observation_noise: bool | Tensor = False,
        posterior_transform: PosteriorTransform | None = None,
    ) -> Posterior:
        """Return the joint posterior of the utilities; see `botorch.models.model.Model.posterior`.

        Args:
            X: `batch x q x (d + f)` inputs.
            output_indices: Objectives; None for all.
            observation_noise: Whether to add the noise to the variances.
            posterior_transform: Transform of the posterior, or None.
        """
        outputs = list(range(self.num_outputs)) if output_indices is None else output_indices
        return _make_posterior(self.joint_normal(X, outputs, observation_noise), posterior_transform)

    def joint_normal(
        self, X: Float[Tensor, "*b q c2"], outputs: list[int], observation_noise: bool | Tensor
    ) -> MultivariateNormal:
        """Return the joint normal distribution of some of the objectives.

        Args:
            X: `batch x q x (d + f)` inputs.
            outputs: Objectives.
            observation_noise: Whether to add the noise to the variances.
        """
        batch, q = X.shape[:-2], X.shape[-2]
        mean, cov = self.standardized_moments(X.reshape(-1, q, X.shape[-1]))
        if observation_noise is not False:
            cov = cov + self.noise * torch.eye(q, dtype=X.dtype, device=X.device)
        mean = (self.offset + self.scale * mean)[..., outputs].reshape(*batch, q, len(outputs))
        cov = cov.reshape(*batch, q, q)
        scale = self.scale[outputs]
        if len(outputs) == 1:
            return MultivariateNormal(mean.squeeze(-1), to_linear_operator(cov * scale**2))
        blocks = cov.unsqueeze(-3) * (scale**2)[:, None, None]
        return MultitaskMultivariateNormal(mean, BlockDiagLinearOperator(to_linear_operator(blocks)), interleaved=False)

    def subset_output(self, idcs: list[int]) -> ConditionedGP:
        """Return the same process of some of the objectives, without computing anything again.

        Args:
            idcs: Objectives.
        """
        part = ConditionedGP.__new__(ConditionedGP)
        Model.__init__(part)
        part.kernel, part.X, part.noise, part.inducing_points = self.kernel, self.X, self.noise, self.inducing_points
        part.row_noise = self.row_noise
        part.held_out_rows, part.has_learned_kernel = self.held_out_rows, self.has_learned_kernel
        part.sums = None if self.sums is None else self.sums.of_outputs(idcs)
        part.factor, part.sparse_cholesky, part._memo = self.factor, self.sparse_cholesky, self._memo
        part._nearest = self._nearest
        part.U, part.offset, part.scale = self.U[:, idcs], self.offset[idcs], self.scale[idcs]
        part.prior_means, part.coefficients = self.prior_means[idcs], self.coefficients[:, idcs]
        return part

    @torch.no_grad()
    def leave_one_out(self, max_points: int | None = None) -> tuple[Float[Tensor, "k m"], Float[Tensor, "k m"]]:
        """Return mean and standard deviation of utilities as predicted by all others, noise included.

        The closed form keeps hyperparameters and standardization. With the noisy kernel matrix `K`, the mean is
        `y_i - [K^-1 y]_i / [K^-1]_ii` and the variance `1 / [K^-1]_ii`.

        Args:
            max_points: Number of rows, from the last one backwards; None for all.

        Returns:
            Means and standard deviations, `k x m` each.

        Raises:
            ValueError: The process is sparse.
        """
        if self.inducing_points is not None:
            raise ValueError("leave_one_out: expected an exact process, got a sparse one. Use a held-out set.")
        k = len(self.X) if max_points is None else min(max_points, len(self.X))
        precision = torch.cholesky_inverse(self.factor.lower_right(k)).diagonal()[:, None]
        mean = self.standardized_utilities[-k:] - self.coefficients[-k:] / precision
        sd = precision.rsqrt().expand_as(mean)
        return self.offset + self.scale * mean, self.scale * sd

    @torch.no_grad()
    def log_marginal_likelihood(self) -> Float[Tensor, " m"]:
        """Return the log marginal likelihood of each standardized objective (`m`).

        Raises:
            ValueError: The process is sparse.
        """
        if self.inducing_points is not None:
            raise ValueError("log_marginal_likelihood: expected an exact process, got a sparse one")
        residual = self.standardized_utilities - self.prior_means
        quadratic = (residual * self.coefficients).sum(0)
        log_root_determinant = self.factor.diagonal().log().sum()
        result: Tensor = -(quadratic / 2 + log_root_determinant + len(residual) / 2 * math.log(2 * math.pi))
        return result


class IndependentGPs(Model):
    """Several closed-form processes of one objective each, as one model of all objectives.

    (BoTorch's `ModelList` returns a posterior that BoTorch's hypervolume acquisition functions cannot sample.)
    """

    def __init__(self, models: Sequence[ConditionedGP]) -> None:
        """Combine the processes.

        Args:
            models: Processes of one objective each.
        """
        super().__init__()
        self.models = tuple(models)

    @property
    def num_outputs(self) -> int:
        """Number of objectives."""
        return len(self.models)

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
        """Return the joint posterior of the utilities; see `botorch.models.model.Model.posterior`.

        Args:
            X: `batch x q x (d + f)` inputs.
            output_indices: Objectives; None for all.
            observation_noise: Whether to add the noise to the variances.
            posterior_transform: Transform of the posterior, or None.
        """
        outputs = list(range(self.num_outputs)) if output_indices is None else output_indices
        normals = [self.models[j].joint_normal(X, [0], observation_noise) for j in outputs]
        joint = normals[0] if len(normals) == 1 else MultitaskMultivariateNormal.from_independent_mvns(normals)
        return _make_posterior(joint, posterior_transform)

    def subset_output(self, idcs: list[int]) -> Model:
        """Return the processes of some of the objectives.

        Args:
            idcs: Objectives.
        """
        return self.models[idcs[0]] if len(idcs) == 1 else IndependentGPs([self.models[j] for j in idcs])


def _make_posterior(normal: MultivariateNormal, transform: PosteriorTransform | None) -> Posterior:
    posterior = GPyTorchPosterior(normal)
    return posterior if transform is None else transform(posterior)


def _gram(V: Tensor, b: int, q: int) -> Tensor:
    """Return `V'V` within each of `b` groups of `q` columns: `k x (b q)` to `b x q x q`."""
    if b == 1:
        return (V.mT @ V)[None]
    if q == 1:
        return (V * V).sum(0).reshape(b, 1, 1)
    W = V.reshape(-1, b, q).transpose(0, 1)
    return W.mT @ W


def _noisy_rows(kernel: Kernel, X: Tensor, noise: Tensor, matrix: Tensor | None) -> Callable[[int, int], Tensor]:
    """Return the function from `(start, stop)` to rows of the noisy kernel matrix, see `RowFactor.extended`.

    The rows are those of `matrix`, or computed when they are needed.
    """

    def rows(start: int, stop: int) -> Tensor:
        K = kernel(X[start:stop], X[:stop]).to_dense() if matrix is None else matrix[start:stop, :stop]
        K = K.clone()
        K[:, start:].diagonal().add_(noise[start:stop])
        return K

    return rows
