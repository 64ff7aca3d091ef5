"""Superposition code whose positions share one learnt matrix."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MAX_LOG_GAIN = 1.0
"""Largest initial logarithm of the gain of a position: a larger one would amplify the noise of the latents."""


class RotatedCode(nn.Module):
    """Matrices by which tokens enter a latent and are read from it: one learnt matrix, rotated for each position.

        place_l = w_l A R_l,    match_l = g_l R_l^T B

    The rotations `R_l` are random and fixed, so that the terms of two positions interfere like noise. What `A` and `B`
    learn at the first positions also holds at the last ones, which few sequences of a corpus reach. The weights `w_l`
    start as `exp(-fall l / length)`, normalized to a power of one, the gains `g_l` as the inverse, up to a limit.

    Args:
        n_read: Entries of what is read of a token.
        d: Latent dimensions of the code.
        embedding: Entries of what the decoder reads.
        length: Number of positions.
        fall: Initial ratio of the weights of the first and the last position, as a power of e.

    References:
        Joseph and Barron, Sparse Superposition Codes, arXiv:1006.3780 (random dictionaries, decreasing power).
    """

    rotations: Tensor

    def __init__(self, n_read: int, d: int, embedding: int, length: int, fall: float) -> None:
        super().__init__()
        log_weight = -fall * torch.linspace(0, 1, length)
        self.read = nn.Parameter(torch.randn(n_read, d) * n_read**-0.5)
        self.write = nn.Parameter(torch.randn(d, embedding) * d**-0.5)
        self.log_weight = nn.Parameter(log_weight - 0.5 * (2 * log_weight).logsumexp(0))
        self.log_gain = nn.Parameter((-log_weight).clamp(max=MAX_LOG_GAIN))
        generator = torch.Generator().manual_seed(0)
        rotations, _ = torch.linalg.qr(torch.randn(length, d, d, generator=generator))
        self.register_buffer("rotations", rotations)

    def place(self, steps: int) -> Tensor:
        """Return the matrices by which the tokens of the first positions enter the latent, `steps x n_read x d`."""
        return self.log_weight[:steps, None, None].exp() * (self.read @ self.rotations[:steps])

    def match(self, steps: int) -> Tensor:
        """Return the matrices by which the remainder is read at the first positions, `steps x d x embedding`."""
        return self.log_gain[:steps, None, None].exp() * (self.rotations[:steps].mT @ self.write)
