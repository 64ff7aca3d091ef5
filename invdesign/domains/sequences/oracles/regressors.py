"""Regressions of measured variants: additive (ridge on one-hot), and a small ensemble of neural networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import linalg, sparse
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, mse_loss, silu

from invdesign.core import Array, InvdesignError, Progress, silent

Numbers = npt.NDArray[np.int64]
BEYOND_END = " "
CONSENSUS_SHARE = 0.05
"""Spread of the scores of the variants without a regression, as a share of the spread of their measured values."""
ALPHAS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)


@dataclass(frozen=True, eq=False)
class Encoder:
    """Encoder of designs as (position, letter) pairs in which they differ from the most common letter of a position.

    Example:
        >>> encoder = Encoder.fit(["ACD", "ACE", "ACD"])
        >>> encoder.common, encoder.pairs
        ('ACD', ((2, 'E'),))
        >>> numbers, is_known = encoder.encode(["ACE", "AAA"])
        >>> is_known.tolist()
        [True, False]
    """

    common: str
    """Most common letter at each position of the longest variant; a blank beyond the end."""
    pairs: tuple[tuple[int, str], ...]
    """Other pairs `(position, letter)` that occur, numbered from 1 in this order."""

    @classmethod
    def fit(cls, designs: Sequence[str]) -> Encoder:
        """Return the encoder of these variants."""
        length = max(map(len, designs))
        codes = _letter_codes(designs, length)
        common: list[str] = []
        pairs: list[tuple[int, str]] = []
        for position, column in enumerate(codes.T):
            values, counts = np.unique(column, return_counts=True)
            common.append(chr(values[counts.argmax()]))
            pairs += [(position, chr(code)) for code in values if chr(code) != common[-1]]
        return cls("".join(common), tuple(pairs))

    def encode(self, designs: Sequence[str]) -> tuple[Numbers, npt.NDArray[np.bool_]]:
        """Return the numbers of the pairs of each design, and whether all of its letters are known.

        Args:
            designs: `n` designs.

        Returns:
            `n x k` numbers, padded with 0, and `n` flags. A design with a letter that no variant has at its position is
            not known, and its numbers are 0.
        """
        length = len(self.common)
        fits = np.array([len(design) <= length and design.isascii() for design in designs], dtype=bool)
        codes = _letter_codes([d if ok else "" for d, ok in zip(designs, fits, strict=True)], length)
        number_of = np.full((length, 128), -1, dtype=np.int64)
        number_of[np.arange(length), _letter_codes([self.common], length)[0]] = 0
        for number, (position, letter) in enumerate(self.pairs, start=1):
            number_of[position, ord(letter)] = number
        numbers = number_of[np.arange(length), codes]
        is_known = fits & (numbers >= 0).all(axis=1)
        numbers[~is_known] = 0
        # Move the pairs of each design to the left and the zeros behind them.
        packed = np.take_along_axis(numbers, np.argsort(numbers == 0, axis=1, kind="stable"), axis=1)
        width = max(1, int((packed > 0).sum(axis=1).max(initial=0)))
        return packed[:, :width], is_known


@dataclass(frozen=True, eq=False)
class Ridge:
    """Additive model: a constant and an effect of each pair, in the unit of the measured values."""

    constant: float
    """Value of the most common letters."""
    effects: Array
    """Effect of each pair (`p`)."""

    def predict(self, numbers: Numbers) -> Array:
        """Return the values (`n`) of designs given as numbers of pairs (`n x k`)."""
        effects: Array = np.concatenate([[0.0], self.effects])
        values: Array = self.constant + effects[numbers].sum(axis=1)
        return values


def fit_ridge(numbers: Numbers, y: Array, n_pairs: int, *, alpha: float | None = None, folds: int = 5) -> Ridge:
    """Fit additive effects by ridge regression.

    Args:
        numbers: `n x k` numbers of pairs.
        y: `n` values.
        n_pairs: Number of pairs of the encoder.
        alpha: Ridge penalty; chosen by cross-validation from `ALPHAS` by default.
        folds: Number of folds of the cross-validation.

    References:
        Hsu et al., Nat. Biotechnol. 2022, doi:10.1038/s41587-021-01146-5, on one-hot ridge regression as a baseline.
    """
    X = _one_hot(numbers, n_pairs)
    if alpha is None:
        fold = np.random.default_rng(0).permutation(len(y)) % folds
        errors = np.zeros(len(ALPHAS))
        for k in range(folds):
            is_training, is_held_out = fold != k, fold == k
            models = _solve_ridges(X[is_training], y[is_training], ALPHAS)
            for i, model in enumerate(models):
                errors[i] += ((model.predict(numbers[is_held_out]) - y[is_held_out]) ** 2).sum()
        alpha = ALPHAS[int(errors.argmin())]
    return _solve_ridges(X, y, (alpha,))[0]


def fit_consensus(numbers: Numbers, y: Array, n_pairs: int) -> Ridge:
    """Fit no effect at all: prefer few mutations of the consensus, natural letters first.

    The effect of a pair is the logarithm of the frequency of its letter among the variants, relative to the most common
    letter's, in a unit that gives the variants a twentieth of the spread of their measured values. It ranks designs
    where nothing was learnt from the values, which are used for their mean and spread alone.

    Args:
        numbers: `n x k` numbers of pairs.
        y: `n` values.
        n_pairs: Number of pairs of the encoder.
    """
    counts = np.bincount(numbers[numbers > 0].ravel(), minlength=n_pairs + 1)[1:]
    # Half a count more of each, so that a letter that is nearly always there has a finite effect.
    log_odds = np.log((counts + 0.5) / (len(y) - counts + 0.5)).clip(max=0.0)
    effects: Array = np.concatenate([[0.0], log_odds])
    scores = effects[numbers].sum(axis=1)
    scale = CONSENSUS_SHARE * float(y.std()) / max(float(scores.std()), 1e-9)
    return Ridge(float(y.mean() - scale * scores.mean()), scale * log_odds)


@dataclass(frozen=True)
class NetworkRecipe:
    """Settings of the ensemble; together with the data they determine it, and the key of its cache."""

    members: int = 3
    """Number of networks of the ensemble, which differ in their initial parameters."""
    width: int = 128
    """Width of each layer."""
    depth: int = 2
    """Number of hidden layers after the sum of the pairs' embeddings."""
    epochs: int = 20
    """Number of passes through the variants."""
    batch: int = 512
    """Number of variants in a step."""
    learning_rate: float = 3e-3
    """Peak learning rate, reached after a tenth of the steps and multiplied by a cosine that decreases to 0."""
    weight_decay: float = 0.01
    """Weight decay of AdamW."""
    seed: int = 0
    """Seed of the parameters and of the order of the variants."""


class Networks(nn.Module):
    """Ensemble of networks: a sum of the pairs' embeddings, nonlinear layers, and one standardized value."""

    def __init__(self, n_pairs: int, recipe: NetworkRecipe) -> None:
        super().__init__()
        m, w = recipe.members, recipe.width
        self.recipe = recipe
        # The names of the parameters are the names of the tensors in stored regressions.
        # Embeddings of the pairs; row 0 is the padding.
        self.vectors = nn.Parameter(0.1 * torch.randn(n_pairs + 1, m * w))
        # Weights and biases of the hidden layers; the first bias belongs to the sum of the embeddings.
        self.bends = nn.Parameter(torch.randn(recipe.depth, m, w, w) / math.sqrt(w))
        self.shifts = nn.Parameter(torch.zeros(recipe.depth + 1, m, 1, w))
        # Weights and bias of the output layer.
        self.answer = nn.Parameter(torch.randn(m, w, 1) / math.sqrt(w))
        self.level = nn.Parameter(torch.zeros(m, 1, 1))

    def forward(self, numbers: Tensor) -> Tensor:
        """Return the members' outputs (`m x n`) for numbers of pairs (`n x k`)."""
        total = embedding_bag(numbers, self.vectors, mode="sum", padding_idx=0)
        h = total.view(-1, self.recipe.members, self.recipe.width).transpose(0, 1) + self.shifts[0]
        for weight, bias in zip(self.bends, self.shifts[1:], strict=True):
            h = torch.baddbmm(bias, silu(h), weight)
        return (torch.bmm(silu(h), self.answer) + self.level).squeeze(-1)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Trained networks with the standardization of their outputs."""

    networks: Networks
    """Networks in evaluation mode."""
    mean: float
    """Mean of the measured values."""
    spread: float
    """Standard deviation of the measured values."""

    def predict(self, numbers: Numbers) -> Array:
        """Return the values (`n`) of designs given as numbers of pairs (`n x k`), averaged over the networks."""
        with torch.no_grad():
            parts = [self.networks(part).mean(dim=0) for part in torch.split(torch.from_numpy(numbers), 4096)]
        return self.mean + self.spread * torch.cat(parts).double().numpy()


def fit_networks(
    numbers: Numbers, y: Array, n_pairs: int, recipe: NetworkRecipe, *, progress: Progress = silent
) -> Ensemble:
    """Train an ensemble of networks.

    Args:
        numbers: `n x k` numbers of pairs.
        y: `n` values.
        n_pairs: Number of pairs of the encoder.
        recipe: Settings of the networks and of their training.
        progress: Called once an epoch with ("training a regression", step, number of steps).

    Raises:
        InvdesignError: All values are the same.
    """
    mean, spread = float(y.mean()), float(y.std())
    if not spread > 0:
        raise InvdesignError(f"regression: expected values that differ, got the same value {mean:g} for all designs")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = Networks(n_pairs, recipe)
    adam = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    n_batches = math.ceil(len(y) / recipe.batch)
    n_steps = recipe.epochs * n_batches
    inputs, targets = torch.from_numpy(numbers), torch.from_numpy((y - mean) / spread).float()
    for step in range(n_steps):
        epoch, k = divmod(step, n_batches)
        if k == 0:
            order = torch.from_numpy(np.random.default_rng([recipe.seed, epoch]).permutation(len(y)))
            progress("training a regression", step, n_steps)
        rows = order[k * recipe.batch : (k + 1) * recipe.batch]
        warmup = min(1.0, 10 * (step + 1) / n_steps)
        adam.param_groups[0]["lr"] = recipe.learning_rate * warmup * (1 + math.cos(math.pi * step / n_steps)) / 2
        predictions = model(inputs[rows])
        loss = mse_loss(predictions, targets[rows].expand_as(predictions))
        adam.zero_grad()
        torch.autograd.backward(loss)
        adam.step()
    progress("training a regression", n_steps, n_steps)
    return Ensemble(model.eval(), mean, spread)


def _one_hot(numbers: Numbers, n_pairs: int) -> sparse.csr_array:
    """Return which pairs each design has: `n x n_pairs` zeros and ones."""
    rows, columns = np.nonzero(numbers)
    return sparse.csr_array(
        (np.ones(len(rows)), (rows, numbers[rows, columns] - 1)), shape=(len(numbers), n_pairs), dtype=np.float64
    )


def _solve_ridges(X: sparse.csr_array, y: Array, alphas: Sequence[float]) -> list[Ridge]:
    """Return the ridge regression of each penalty, in the space of the smaller of variants and pairs."""
    n, p = X.shape
    if n >= p:
        moments = _moments(X, y)
        return [_solve_ridge(*moments, alpha) for alpha in alphas]
    means, mean = np.asarray(X.mean(axis=0)).ravel(), float(y.mean())
    centered = X.toarray() - means
    values, vectors = linalg.eigh(centered @ centered.T)
    projected = vectors.T @ (y - mean)
    ridges = []
    for alpha in alphas:
        effects: Array = centered.T @ (vectors @ (projected / (values + alpha)))
        ridges.append(Ridge(mean - float(means @ effects), effects))
    return ridges


def _moments(X: sparse.csr_array, y: Array) -> tuple[Array, Array, Array, float]:
    """Return the scatter matrix of the columns, their products with the values, their means, and the mean value."""
    means, mean = np.asarray(X.mean(axis=0)).ravel(), float(y.mean())
    return (X.T @ X).toarray() - len(y) * np.outer(means, means), X.T @ (y - mean), means, mean


def _solve_ridge(scatter: Array, products: Array, means: Array, mean: float, alpha: float) -> Ridge:
    effects = linalg.solve(scatter + alpha * np.eye(len(scatter)), products, assume_a="pos")
    return Ridge(mean - float(means @ effects), effects)


def _letter_codes(designs: Sequence[str], length: int) -> Numbers:
    """Return the ASCII codes of letters (`n x length`), with blanks beyond the end."""
    text = "".join(design.ljust(length, BEYOND_END) for design in designs).encode("ascii")
    return np.frombuffer(text, dtype=np.uint8).astype(np.int64).reshape(len(designs), length)
