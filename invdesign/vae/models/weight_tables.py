"""What a token model computes from its weights alone: kept while they stay the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

from torch import Tensor, nn

State = tuple[tuple[int, int], ...]
"""Address and version of each tensor of a module."""


@dataclass(frozen=True, eq=False)
class WeightTables:
    """Products of the weights of a token model."""

    place: Tensor
    """`length x n_read x d`, matrices by which the tokens of each position enter the latent."""
    match: Tensor
    """`length x d x embedding`, matrices by which the remainder is read at each position."""
    reading: tuple[Tensor, ...] = ()
    """Terms of each token in the first layer of the encoder; empty for an encoder without such terms."""
    writing: tuple[Tensor, ...] = ()
    """Terms of each token in the first layer of the decoder; empty for a decoder without such terms."""
    remainder: Tensor | None = None
    """`length x d x (3 width + embedding)`, matrices by which the remainder enters the gates of a decoder with such
    terms, and its scores, at each position; None where they are large."""


class TableCache:
    """The tables of one module. A copy of it starts empty.

    Example:
        >>> import torch
        >>> layer, cache = nn.Linear(1, 1), TableCache()
        >>> first = cache.get(layer, lambda: WeightTables(layer.weight + 0, layer.bias))
        >>> first is cache.get(layer, lambda: WeightTables(layer.weight + 0, layer.bias))
        True
        >>> with torch.no_grad():
        ...     _ = layer.weight.zero_()
        >>> cache.get(layer, lambda: WeightTables(layer.weight + 0, layer.bias)).place.item()
        0.0
    """

    def __init__(self) -> None:
        """Start empty."""
        self._state: State = ()
        self._tables: WeightTables | None = None

    def get(self, module: nn.Module, compute: Callable[[], WeightTables]) -> WeightTables:
        """Return the tables of a module, computed again where one of its tensors has changed.

        Args:
            module: The module whose tensors the tables depend on.
            compute: Returns its tables.
        """
        tensors = chain(module.parameters(), module.buffers())
        state = tuple((tensor.data_ptr(), tensor._version) for tensor in tensors)
        if self._tables is None or state != self._state:
            self._state, self._tables = state, compute()
        return self._tables

    def clear(self) -> None:
        """Forget the tables. An optimizer with `fused=True` changes weights without a new version of their tensors."""
        self._tables = None

    def __reduce__(self) -> tuple[type[TableCache], tuple[()]]:
        """Copy and pickle the cache as an empty one."""
        return TableCache, ()
