"""Bracket grammar of tokens: branches that must be closed, and labels that must occur in pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from invdesign.core import InvdesignError
from invdesign.vae.tokens import END, UNKNOWN, Vocabulary

MAX_LABELS = 62
"""Distinct labels that fit into the bits of an int64."""


@dataclass(frozen=True, eq=False)
class TokenGrammar:
    """What every complete sequence of tokens obeys, so that a decoder need not learn it.

    A symbol opens a branch, closes one, or toggles a label: a ring number of SMILES opens a ring bond and its second
    occurrence closes it. No branch is closed that is not open, and a sequence may end where no branch and no label is
    open. A token of several symbols adds up their effects.
    """

    change: Tensor
    """`n_tokens`, change of the number of open branches."""
    lowest: Tensor
    """`n_tokens`, lowest number of open branches within the token, relative to the number before it (at most 0)."""
    labels: Tensor
    """`n_tokens`, bits of the labels that are toggled an odd number of times."""

    @cached_property
    def _forbidden_at_depth(self) -> Tensor:
        """`k x n_tokens`, which tokens close more branches than 0, 1, ... open ones; none do in the last row."""
        depths = torch.arange(1 - int(self.lowest.min()))
        return depths[:, None] + self.lowest < 0

    def start(self, n: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the numbers of open branches and the open labels of `n` empty sequences."""
        empty = torch.zeros(n, dtype=torch.long, device=device)
        return empty, empty

    def forbidden(self, state: tuple[Tensor, Tensor]) -> Tensor:
        """Return which tokens may not follow: `n x n_tokens`, true where one may not."""
        depth, labels = state
        table = self._forbidden_at_depth.to(depth.device)
        is_forbidden = table[depth.clamp(0, len(table) - 1)]
        is_forbidden[:, END] = (depth > 0) | (labels != 0)
        return is_forbidden

    def follow(self, state: tuple[Tensor, Tensor], tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the state after one more token of each of `n` sequences."""
        depth, labels = state
        return depth + self.change.to(depth.device)[tokens], labels ^ self.labels.to(depth.device)[tokens]


def token_grammar(
    vocabulary: Vocabulary, *, opening: str, closing: str, label_of: Callable[[str], str | None]
) -> TokenGrammar:
    """Return the grammar of a vocabulary.

    Args:
        vocabulary: The tokens.
        opening: Symbol that opens a branch.
        closing: Symbol that closes one.
        label_of: Returns the label that a symbol toggles; None for a symbol that is no label.

    Raises:
        InvdesignError: There are more than 62 labels.
    """
    labels = sorted({label for symbol in vocabulary.symbols if (label := label_of(symbol)) is not None})
    if len(labels) > MAX_LABELS:
        raise InvdesignError(f"grammar: expected at most {MAX_LABELS} labels, got {len(labels)}. Use another notation")
    bit = {label: 1 << i for i, label in enumerate(labels)}
    rows = []
    for token, spelling in enumerate(vocabulary.spelling):
        symbols: Sequence[str] = [] if token <= UNKNOWN else [vocabulary.symbols[i] for i in spelling]
        depth = lowest = toggled = 0
        for symbol in symbols:
            depth += (symbol == opening) - (symbol == closing)
            lowest = min(lowest, depth)
            label = label_of(symbol)
            toggled ^= 0 if label is None else bit[label]
        rows.append((depth, lowest, toggled))
    change, lowest_depths, toggles = torch.tensor(rows, dtype=torch.long).unbind(1)
    return TokenGrammar(change, lowest_depths, toggles)
