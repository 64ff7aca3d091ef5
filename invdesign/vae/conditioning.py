"""What a condition changes in a VAE: the origin of its latents, and the input of its networks."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from invdesign.core import InvdesignError


class Conditioning(nn.Module):
    """Linear maps of a condition to a shift of the latents and to a vector that networks read.

    A shift of the posterior mean that the decoder takes back removes what a condition adds to every design alike, e.g.
    the counter-ion that one laboratory writes. The vector lets encoder and decoder differ in more than that. Both start
    at zero, so an untrained model ignores its condition.

    Args:
        n: Entries of a condition.
        d: Latent dimensions.
        width: Entries of the vector.
    """

    default: Tensor

    def __init__(self, n: int, d: int, width: int) -> None:
        super().__init__()
        self.n = n
        self.shift = nn.Linear(n, d, bias=False)
        self.vector = nn.Linear(n, width, bias=False)
        nn.init.zeros_(self.shift.weight)
        nn.init.zeros_(self.vector.weight)
        self.register_buffer("default", torch.full((n,), 1 / n))

    def forward(self, condition: Tensor | None, n_designs: int) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n w"]]:
        """Return the shift and the vector of each of `n` designs.

        Args:
            condition: `n x c` conditions, or one for all designs; None for the default condition.
            n_designs: `n`.

        Raises:
            InvdesignError: The condition has another number of entries.
        """
        given = self.default if condition is None else condition.to(self.default)
        if given.shape[-1] != self.n or (given.ndim == 2 and len(given) != n_designs):
            raise InvdesignError(
                f"condition: expected {n_designs} rows of {self.n} entries, got shape {tuple(given.shape)}. Give one "
                "row for each design"
            )
        rows = given.expand(n_designs, -1)
        return self.shift(rows), self.vector(rows)


def conditioning_of(vae: nn.Module) -> Conditioning | None:
    """Return the part of a model that reads conditions; None where it reads none."""
    return next((part for part in vae.modules() if isinstance(part, Conditioning)), None)
