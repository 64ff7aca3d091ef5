"""Causal sequence networks: whole sequences at once, or one step at a time with a cache."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from invdesign.core import InvdesignError

Kind = Literal["window", "convolution", "recurrent", "transformer"]
Cache = tuple[Tensor, ...]


class Window(nn.Module):
    """One hidden layer over each step and the two before it (a causal convolution)."""

    def __init__(self, n_in: int, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * n_in, width)

    def forward(self, y: Tensor, cache: Cache = ()) -> tuple[Tensor, Cache]:
        """Return the states of further steps (`n x steps x width`), and the cache after the last of them."""
        before = cache[0] if cache else y.new_zeros(len(y), 2, y.shape[2])
        y = torch.cat([before, y], dim=1)
        wide = torch.cat([y[:, 2:], y[:, 1:-1], y[:, :-2]], dim=2)
        return F.gelu(self.layer(wide)), (y[:, -2:],)

    def token_terms(self, vectors: Tensor) -> tuple[Tensor, ...]:
        """Return what a token adds to the hidden layer at its own step and at the two after it, `(k + 1) x width` each.

        The last row is that of no token.

        Args:
            vectors: `k x n_in` vectors of all tokens.
        """
        n_in = vectors.shape[1]
        none = vectors.new_zeros(1, n_in)
        vectors = torch.cat([vectors, none])
        own, *earlier = self.layer.weight.split(n_in, dim=1)
        return F.linear(vectors, own, self.layer.bias), *(F.linear(vectors, weight) for weight in earlier)

    def from_terms(self, terms: tuple[Tensor, ...], tokens: Tensor, cache: Cache = ()) -> tuple[Tensor, Cache]:
        """Return the same states as `forward` for tokens, and the cache, which has other content.

        Args:
            terms: What `token_terms` returned.
            tokens: `n x steps` numbers of further tokens.
            cache: The last two tokens before them; none at the start.
        """
        none = len(terms[0]) - 1
        before = cache[0] if cache else tokens.new_full((len(tokens), 2), none)
        tokens = torch.cat([before, tokens], dim=1)
        own, first, second = (
            F.embedding(tokens[:, 2 - k : tokens.shape[1] - k], table) for k, table in enumerate(terms)
        )
        return F.gelu(own.add_(first).add_(second)), (tokens[:, -2:],)


class Convolution(nn.Module):
    """Residual causal convolutions over three steps with dilations 1, 2, 4, ...

    With `depth` layers a step depends on the `2^(depth + 1) - 2` before it. The cache keeps the last inputs of every
    layer.

    References:
        Bai, Kolter and Koltun, arXiv:1803.01271 (dilated causal convolutions in the place of recurrence).
    """

    def __init__(self, n_in: int, width: int, depth: int) -> None:
        super().__init__()
        self.enter = nn.Linear(n_in, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.layers = nn.ModuleList(nn.Linear(3 * width, width) for _ in range(depth))

    def forward(self, y: Tensor, cache: Cache = ()) -> tuple[Tensor, Cache]:
        """Return the states of further steps (`n x steps x width`), and the cache after the last of them."""
        y = self.enter(y)
        kept: list[Tensor] = []
        for i, (norm, layer) in enumerate(zip(self.norms, self.layers, strict=True)):
            apart, steps = 2**i, y.shape[1]
            given = norm(y)
            before = cache[i] if cache else given.new_zeros(len(y), 2 * apart, y.shape[2])
            given = torch.cat([before, given], dim=1)
            wide = torch.cat([given[:, k * apart : k * apart + steps] for k in (2, 1, 0)], dim=2)
            y = y + F.gelu(layer(wide))
            kept.append(given[:, -2 * apart :])
        return y, tuple(kept)


class Recurrent(nn.Module):
    """Gated recurrent units."""

    def __init__(self, n_in: int, width: int, depth: int) -> None:
        super().__init__()
        self.units = nn.GRU(n_in, width, num_layers=depth, batch_first=True)

    def forward(self, y: Tensor, cache: Cache = ()) -> tuple[Tensor, Cache]:
        """Return the states of further steps (`n x steps x width`), and the cache after the last of them."""
        hidden, last = self.units(y, cache[0] if cache else None)
        return hidden, (last,)

    def token_terms(self, vectors: Tensor) -> tuple[Tensor, ...]:
        """Return what a token adds to the gates, `k x 3 width`; nothing for several layers.

        Args:
            vectors: `k x e` vectors of all tokens, the first columns of an input.
        """
        if self.units.num_layers > 1:
            return ()
        weight, _, bias, _ = self.units.all_weights[0]
        return (F.linear(vectors, weight[:, : vectors.shape[1]], bias),)

    def rest_weights(self, n: int) -> Tensor:
        """Return the matrix, `n x 3 width`, by which the last `n` columns of an input enter the gates."""
        weight = self.units.all_weights[0][0]
        return weight[:, -n:].mT

    def step_from_terms(
        self, terms: tuple[Tensor, ...], tokens: Tensor, rest: Tensor, cache: Cache = ()
    ) -> tuple[Tensor, Cache]:
        """Return the same as `forward` for one step: states (`n x width`), and the cache.

        Args:
            terms: What `token_terms` returned.
            tokens: `n` numbers of tokens.
            rest: `n x 3 width`, what the other columns of the inputs add to the gates, see `rest_weights`.
            cache: The state after earlier steps; none at the start.
        """
        width = self.units.hidden_size
        _, weight_held, _, bias_held = self.units.all_weights[0]
        given = F.embedding(tokens, terms[0]).add_(rest)
        before = cache[0][0] if cache else given.new_zeros(len(rest), width)
        held = F.linear(before, weight_held, bias_held)
        gates = (given[:, : 2 * width] + held[:, : 2 * width]).sigmoid_()
        reset, update = gates.chunk(2, dim=1)
        new = torch.addcmul(given[:, 2 * width :], reset, held[:, 2 * width :]).tanh_()
        hidden = torch.lerp(new, before, update)
        return hidden, (hidden[None],)


class Block(nn.Module):
    """Causal self-attention and a hidden layer, each with a residual connection."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.norm_hidden = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 3 * width)
        self.narrow = nn.Linear(3 * width, width)

    def forward(self, y: Tensor, *cache: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the states of further steps, and the keys and values of all steps so far."""
        n, steps, _ = y.shape
        q, k, v = self.qkv(self.norm(y)).view(n, steps, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        before = 0
        if cache:
            before = cache[0].shape[2]
            k, v = torch.cat([cache[0], k], dim=2), torch.cat([cache[1], v], dim=2)
        seen = torch.ones(steps, before + steps, dtype=torch.bool, device=y.device).tril(before)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=None if steps == 1 else seen)
        y = y + self.mix(mixed.transpose(1, 2).reshape(n, steps, -1))
        return y + self.narrow(F.gelu(self.widen(self.norm_hidden(y)))), k, v


class Transformer(nn.Module):
    """Pre-norm causal transformer; the cache keeps the keys and values of all earlier steps."""

    def __init__(self, n_in: int, width: int, depth: int, length: int, *, heads: int = 4) -> None:
        super().__init__()
        if width % heads:
            raise InvdesignError(f"transformer: width must be divisible by the {heads} heads, got {width}")
        self.enter = nn.Linear(n_in, width)
        self.position = nn.Parameter(0.02 * torch.randn(length, width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.leave = nn.LayerNorm(width)

    def forward(self, y: Tensor, cache: Cache = ()) -> tuple[Tensor, Cache]:
        """Return the states of further steps (`n x steps x width`), and the cache after the last of them."""
        steps = y.shape[1]
        start = cache[0].shape[2] if cache else 0
        y = self.enter(y) + self.position[start : start + steps]
        kept: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            y, keys, values = block(y, *cache[2 * i : 2 * i + 2])
            kept += [keys, values]
        return self.leave(y), tuple(kept)


def causal(kind: Kind, n_in: int, width: int, *, depth: int, length: int) -> nn.Module:
    """Return a network from `n x steps x n_in` to `n x steps x width` in which no step depends on a later one.

    It is called with the steps and the cache of earlier ones, and returns its output and the new cache.

    Raises:
        InvdesignError: The kind is unknown.
    """
    if kind == "window":
        return Window(n_in, width)
    if kind == "convolution":
        return Convolution(n_in, width, depth)
    if kind == "recurrent":
        return Recurrent(n_in, width, depth)
    if kind == "transformer":
        return Transformer(n_in, width, depth, length)
    raise InvdesignError(
        f"sequence model: expected 'window', 'convolution', 'recurrent' or 'transformer', got {kind!r}"
    )
