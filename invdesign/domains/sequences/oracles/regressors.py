"""Regressions of measured variants: additive (ridge on one-hot), and a small ensemble of networks on the same."""

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
BEYOND = " "
ALPHAS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)


@dataclass(frozen=True, eq=False)
class Encoder:
    """Designs as the pairs of place and letter in which they differ from the commonest letter at each place.

    Args:
        common: the commonest letter at each place of the longest variant; a blank beyond the end.
        pairs: the others that were seen, `(place, letter)`, numbered from 1 in this order.
    """

    common: str
    pairs: tuple[tuple[int, str], ...]

    @classmethod
    def of(cls, designs: Sequence[str]) -> Encoder:
        """The encoder of these variants."""
        length = max(map(len, designs))
        letters = _letters(designs, length)
        common, pairs = [], []
        for place, column in enumerate(letters.T):
            found, counts = np.unique(column, return_counts=True)
            common.append(chr(found[counts.argmax()]))
            pairs += [(place, chr(code)) for code in found if chr(code) != common[-1]]
        return cls("".join(common), tuple(pairs))

    def numbers(self, designs: Sequence[str]) -> tuple[Numbers, npt.NDArray[np.bool_]]:
        """Numbers of the pairs that each design has (`n x k`, 0 where it has fewer), and whether all were seen (`n`).

        What was not seen cannot be told of; such a design is not measurable.
        """
        length = len(self.common)
        fits = np.array([len(design) <= length and design.isascii() for design in designs], dtype=bool)
        letters = _letters([d if ok else "" for d, ok in zip(designs, fits, strict=True)], length)
        number_of = np.full((length, 128), -1, dtype=np.int64)
        number_of[np.arange(length), _letters([self.common], length)[0]] = 0
        for number, (place, letter) in enumerate(self.pairs, start=1):
            number_of[place, ord(letter)] = number
        full = number_of[np.arange(length), letters]
        is_known = fits & (full >= 0).all(axis=1)
        full[~is_known] = 0
        # The pairs of each design to the left, zeros behind them.
        packed = np.take_along_axis(full, np.argsort(full == 0, axis=1, kind="stable"), axis=1)
        return packed[:, : max(1, int((packed > 0).sum(axis=1).max(initial=0)))], is_known


@dataclass(frozen=True, eq=False)
class Ridge:
    """A constant and an effect of each pair, in the unit of what was measured."""

    constant: float
    effects: Array

    def predict(self, numbers: Numbers) -> Array:
        """Values of designs by the numbers of their pairs (`n`)."""
        return self.constant + np.concatenate([[0.0], self.effects])[numbers].sum(axis=1)


def fit_ridge(numbers: Numbers, y: Array, n_pairs: int, *, alpha: float | None = None, folds: int = 5) -> Ridge:
    """Additive effects by ridge regression.

    Args:
        numbers: `n x k` numbers of pairs.
        y: `n` values.
        n_pairs: how many pairs there are.
        alpha: the penalty; by cross-validation where it is not given.
        folds: of the cross-validation.

    References:
        Hsu et al., Nat. Biotechnol. 2022, doi:10.1038/s41587-021-01146-5, on one-hot ridge as what to beat.
    """
    X = _one_hot(numbers, n_pairs)
    if alpha is None:
        fold = np.random.default_rng(0).permutation(len(y)) % folds
        errors = np.zeros(len(ALPHAS))
        for k in range(folds):
            kept, out = fold != k, fold == k
            moments = _moments(X[kept], y[kept])
            for i, candidate in enumerate(ALPHAS):
                model = _solved(*moments, candidate)
                errors[i] += ((model.predict(numbers[out]) - y[out]) ** 2).sum()
        alpha = ALPHAS[int(errors.argmin())]
    return _solved(*_moments(X, y), alpha)


@dataclass(frozen=True)
class Recipe:
    """How networks are trained; with the data it decides them, and so the cache key.

    Args:
        members: networks of the ensemble, which differ by their first parameters.
        width: of each layer.
        depth: layers between the sum of the pairs' vectors and the answer.
        epochs: passes through the variants.
        batch: variants per step.
        learning_rate: its peak, reached after a tenth of the steps; it falls to nothing along a cosine.
        weight_decay: of AdamW.
        seed: of parameters and order.
    """

    members: int = 3
    width: int = 128
    depth: int = 2
    epochs: int = 20
    batch: int = 512
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    seed: int = 0


class Networks(nn.Module):
    """An ensemble that adds up vectors of pairs, bends the sum, and answers a standardized value."""

    def __init__(self, n_pairs: int, recipe: Recipe) -> None:
        super().__init__()
        m, w = recipe.members, recipe.width
        self.recipe = recipe
        # Row 0 is no pair.
        self.vectors = nn.Parameter(0.1 * torch.randn(n_pairs + 1, m * w))
        self.bends = nn.Parameter(torch.randn(recipe.depth, m, w, w) / math.sqrt(w))
        self.shifts = nn.Parameter(torch.zeros(recipe.depth + 1, m, 1, w))
        self.answer = nn.Parameter(torch.randn(m, w, 1) / math.sqrt(w))
        self.level = nn.Parameter(torch.zeros(m, 1, 1))

    def forward(self, numbers: Tensor) -> Tensor:
        """The members' answers (`m x n`) to numbers of pairs (`n x k`)."""
        total = embedding_bag(numbers, self.vectors, mode="sum", padding_idx=0)
        h = total.view(-1, self.recipe.members, self.recipe.width).transpose(0, 1) + self.shifts[0]
        for bend, shift in zip(self.bends, self.shifts[1:], strict=True):
            h = torch.baddbmm(shift, silu(h), bend)
        return (torch.bmm(silu(h), self.answer) + self.level).squeeze(-1)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Trained networks, with the mean and the standard deviation of what was measured."""

    networks: Networks
    mean: float
    spread: float

    def predict(self, numbers: Numbers) -> Array:
        """Values of designs by the numbers of their pairs (`n`), the mean of the networks."""
        with torch.no_grad():
            parts = [self.networks(part).mean(dim=0) for part in torch.from_numpy(numbers).split(4096)]
        return self.mean + self.spread * torch.cat(parts).double().numpy()


def fit_networks(numbers: Numbers, y: Array, n_pairs: int, recipe: Recipe, *, progress: Progress = silent) -> Ensemble:
    """Networks trained on `n x k` numbers of pairs.

    Raises:
        InvdesignError: all values are the same.
    """
    mean, spread = float(y.mean()), float(y.std())
    if not spread > 0:
        raise InvdesignError("regression: all values are the same, so that there is nothing to learn")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = Networks(n_pairs, recipe)
    adam = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    per_epoch = math.ceil(len(y) / recipe.batch)
    total = recipe.epochs * per_epoch
    inputs, wanted = torch.from_numpy(numbers), torch.from_numpy((y - mean) / spread).float()
    for step in range(total):
        epoch, k = divmod(step, per_epoch)
        if k == 0:
            order = torch.from_numpy(np.random.default_rng([recipe.seed, epoch]).permutation(len(y)))
            progress("training a regression", step, total)
        rows = order[k * recipe.batch : (k + 1) * recipe.batch]
        rising = min(1.0, 10 * (step + 1) / total)
        adam.param_groups[0]["lr"] = recipe.learning_rate * rising * (1 + math.cos(math.pi * step / total)) / 2
        found = model(inputs[rows])
        loss = mse_loss(found, wanted[rows].expand_as(found))
        adam.zero_grad()
        loss.backward()
        adam.step()
    progress("training a regression", total, total)
    return Ensemble(model.eval(), mean, spread)


def _one_hot(numbers: Numbers, n_pairs: int) -> sparse.csr_array:
    rows, places = np.nonzero(numbers)
    return sparse.csr_array(
        (np.ones(len(rows)), (rows, numbers[rows, places] - 1)), shape=(len(numbers), n_pairs), dtype=np.float64
    )


def _moments(X: sparse.csr_array, y: Array) -> tuple[Array, Array, Array, float]:
    """Scatter of the columns, their products with the values, their means, and the mean value."""
    means, mean = np.asarray(X.mean(axis=0)).ravel(), float(y.mean())
    return (X.T @ X).toarray() - len(y) * np.outer(means, means), X.T @ (y - mean), means, mean


def _solved(scatter: Array, products: Array, means: Array, mean: float, alpha: float) -> Ridge:
    effects = linalg.solve(scatter + alpha * np.eye(len(scatter)), products, assume_a="pos")
    return Ridge(mean - float(means @ effects), effects)


def _letters(designs: Sequence[str], length: int) -> Numbers:
    """Codes of letters (`n x length`), blanks beyond the end."""
    text = "".join(design.ljust(length, BEYOND) for design in designs).encode("ascii")
    return np.frombuffer(text, dtype=np.uint8).astype(np.int64).reshape(len(designs), length)
