"""Links between designs that are known to be near each other, and the loss term that keeps them together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Normal

from invdesign.core import InvdesignError
from invdesign.vae.base import VAE
from invdesign.vae.losses import TrainingBatch

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """Links between the designs of a corpus, from which training draws one neighbour of each design."""

    starts: Rows
    """`n + 1` positions: the neighbours of design `i` are `members[starts[i] : starts[i + 1]]`."""
    members: Rows
    """Rows of the neighbours."""

    @classmethod
    def of(cls, links: Rows, n: int) -> Neighbourhoods:
        """Return the neighbourhoods of `n` designs.

        Args:
            links: `k x 2` rows of linked designs, each link once and in either direction.
            n: Designs.

        Raises:
            InvdesignError: There is no link.
        """
        both = np.unique(np.concatenate([links, links[:, ::-1]]), axis=0) if len(links) else links
        both = both[both[:, 0] != both[:, 1]] if len(both) else both
        if not len(both):
            raise InvdesignError(
                "vae.neighbours: expected links between designs of the corpus, got none. Choose another way to find "
                "them, or leave vae.neighbours out"
            )
        counts = np.bincount(both[:, 0], minlength=n)
        return cls(np.concatenate([[0], np.cumsum(counts)]), both[:, 1].copy())

    def draw(self, rows: Rows, generator: np.random.Generator) -> Rows:
        """Return one neighbour of each design at random; the design itself where it has none."""
        first, n = self.starts[rows], self.starts[rows + 1] - self.starts[rows]
        place = first + (generator.random(len(rows)) * n).astype(np.int64)
        return np.where(n > 0, self.members[np.minimum(place, len(self.members) - 1)], rows)


def laplacian(vae: VAE, batch: TrainingBatch, posterior: Normal, z: Tensor) -> Float[Tensor, " n"]:
    """Return half the squared distance of each posterior mean to that of a linked design, in variances of the batch.

    Its mean over random links is tr(Z' L Z) up to a constant, with the graph Laplacian L of the links and standardized
    latents Z. Divided by the variances it cannot be lowered by shrinking the space. A design without links counts
    nothing.

    References:
        Belkin and Niyogi, Laplacian Eigenmaps (2003), doi:10.1162/089976603321780317.
    """
    if batch.linked is None:
        return z.new_zeros(len(z))
    mean = posterior.loc.float()
    near = vae.posterior(batch.linked, batch.linked_condition).loc.float()
    variance = mean.var(0).clamp_min(1e-6)
    return 0.5 * ((mean - near).square() / variance).sum(1)
