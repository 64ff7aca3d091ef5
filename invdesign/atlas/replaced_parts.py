"""Detection of replaced parts: a classifier of real designs and of real designs with one part replaced at random."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from invdesign.core import Array, D, DesignSpace
from invdesign.core.protocols import PartReplacement

WIDTH = 256
DROPOUT = 0.1
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.01
PASSES = 20
BATCH = 128
"""Designs in a step."""
N_REPLACEMENTS = 2
"""Designs with a replaced part that are made from each real one."""
MAX_DEVIATION = 5.0
"""Standardized numbers are clipped to this size."""
MIN_DESIGNS = 200
"""Real designs below which no classifier is trained."""


@dataclass(frozen=True, eq=False)
class ReplacementDetector:
    """Classifier of the parts of a design: real, or replaced at random.

    The log-odds of a design are the log of the sum of the odds of its parts. The loss is the cross-entropy of designs
    plus that of parts.

    References:
        Clark et al., ELECTRA, ICLR 2020, arXiv:2003.10555 (replaced-token detection).
    """

    network: nn.Sequential
    """From the numbers of a part to its log-odds."""
    center: Tensor
    """Mean of each number over real designs, `f`."""
    scale: Tensor
    """Standard deviation of each number over real designs, `f`."""

    def rate(self, parts: Sequence[Array]) -> list[Array]:
        """Return the log-odds of the parts of each design.

        Args:
            parts: Numbers of the parts of each design, `k x f`.
        """
        if not parts:
            return []
        rows = torch.from_numpy(np.concatenate(parts)).float()
        with torch.no_grad():
            log_odds = self.network(self._standardize(rows))[:, 0].double().numpy()
        return np.split(log_odds, np.cumsum([len(part) for part in parts])[:-1])

    def tensors(self) -> dict[str, Tensor]:
        """Return everything that `restore_detector` needs."""
        return {"center": self.center, "scale": self.scale, **self.network.state_dict()}

    def _standardize(self, rows: Tensor) -> Tensor:
        """Return standardized rows with a second column for each number: 1 where it is not known."""
        is_unknown = rows.isnan()
        standard = ((rows - self.center) / self.scale).clamp(-MAX_DEVIATION, MAX_DEVIATION)
        return torch.cat([standard.masked_fill(is_unknown, 0.0), is_unknown.float()], 1)


def add_odds(log_odds: Array) -> float:
    """Return the log of the sum of the odds of the parts of a design; infinite where it has none.

    Example:
        >>> round(add_odds(np.array([0.0, 0.0])), 3)
        0.693
    """
    return float(np.logaddexp.reduce(log_odds)) if len(log_odds) else math.inf


def fit_detector(domain: DesignSpace[D], designs: Sequence[D], *, seed: int = 0) -> ReplacementDetector | None:
    """Train a classifier on real designs and on designs that were made from them by replacing a part.

    Args:
        domain: The kind of designs.
        designs: Real designs.
        seed: Seed of replacements and training.

    Returns:
        The classifier; None where the domain cannot replace parts, or the designs are too few.
    """
    if not isinstance(domain, PartReplacement) or len(designs) < MIN_DESIGNS:
        return None
    changed = domain.replace_parts([design for design in designs for _ in range(N_REPLACEMENTS)], seed=seed)
    parts, labels = [], []
    real: list[tuple[D, Bool[np.ndarray, " k"] | None]] = [(design, None) for design in designs]
    for design, is_replaced in [*real, *changed]:
        part = domain.measure_places(design)
        if not len(part):
            continue
        parts.append(part)
        labels.append(np.zeros(len(part), dtype=bool) if is_replaced is None else is_replaced[: len(part)])
    if len(changed) < MIN_DESIGNS or len(parts) < MIN_DESIGNS:
        return None
    detector = _untrained(torch.from_numpy(np.concatenate(parts)).float(), seed)
    return _train(detector, parts, labels, seed)


def restore_detector(tensors: dict[str, Tensor]) -> ReplacementDetector:
    """Return the classifier whose `tensors` these are."""
    network = _network(len(tensors["center"]))
    network.load_state_dict({name: values for name, values in tensors.items() if name not in ("center", "scale")})
    return ReplacementDetector(network.eval(), tensors["center"], tensors["scale"])


def _untrained(rows: Tensor, seed: int) -> ReplacementDetector:
    known = rows.masked_fill(rows.isnan(), 0.0)
    n_known = (~rows.isnan()).sum(0).clamp_min(1)
    center = known.sum(0) / n_known
    variance = ((known - center).masked_fill(rows.isnan(), 0.0) ** 2).sum(0) / n_known
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _network(rows.shape[1])
    return ReplacementDetector(network, center, variance.sqrt().clamp_min(1e-6))


def _network(n_numbers: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(2 * n_numbers, WIDTH),
        nn.SiLU(),
        nn.Dropout(DROPOUT),
        nn.Linear(WIDTH, WIDTH),
        nn.SiLU(),
        nn.Dropout(DROPOUT),
        nn.Linear(WIDTH, 1),
    )


def _train(
    detector: ReplacementDetector, parts: Sequence[Array], labels: Sequence[Bool[np.ndarray, " k"]], seed: int
) -> ReplacementDetector:
    """Fit the network in place, and return the classifier."""
    network = detector.network
    sizes = np.array([len(part) for part in parts])
    first = np.concatenate([[0], np.cumsum(sizes)])
    rows = detector._standardize(torch.from_numpy(np.concatenate(parts)).float())
    of_parts = torch.from_numpy(np.concatenate(labels)).float()
    of_designs = torch.tensor([float(own.any()) for own in labels])
    n_steps = PASSES * math.ceil(len(parts) / BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=n_steps)
    draw = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network.train()
        for _ in range(PASSES):
            order = draw.permutation(len(parts))
            for start in range(0, len(parts), BATCH):
                chosen = order[start : start + BATCH]
                own = np.concatenate([np.arange(first[i], first[i + 1]) for i in chosen])
                owner = torch.from_numpy(np.repeat(np.arange(len(chosen)), sizes[chosen]))
                log_odds = network(rows[own])[:, 0]
                pooled = _pool(log_odds, owner, len(chosen))
                loss = binary_cross_entropy_with_logits(pooled, of_designs[chosen])
                loss = loss + binary_cross_entropy_with_logits(log_odds, of_parts[own])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    network.eval()
    return detector


def _pool(log_odds: Tensor, owner: Tensor, n: int) -> Tensor:
    """Return the log of the sum of the odds of the parts of each of `n` designs."""
    largest = torch.full((n,), -math.inf).scatter_reduce(0, owner, log_odds.detach(), "amax")
    return largest + torch.zeros(n).index_add(0, owner, (log_odds - largest[owner]).exp()).log()
