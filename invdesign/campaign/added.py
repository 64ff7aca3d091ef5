"""Designs that were measured without having been selected by the campaign."""

from __future__ import annotations

from collections.abc import Sequence

from invdesign.campaign.engine import Engine
from invdesign.campaign.placement import place
from invdesign.campaign.state import DesignsAdded
from invdesign.core import GIVEN, B, Candidate, D, InvdesignError, Outcome


def add_designs(
    engine: Engine[D, B], designs: Sequence[D], outcomes: Sequence[Outcome], names: Sequence[str] = ()
) -> DesignsAdded[D]:
    """Return the event that adds measured designs to a campaign.

    They are read by the surrogate like seed designs that came measured: they spend no calls, and they are no candidates
    of the campaign.

    Args:
        engine: The campaign bound to its latent space.
        designs: `n` designs that are not in the campaign.
        outcomes: `n` outcomes.
        names: `n` names that the user gave them; or nothing.

    Raises:
        InvdesignError: An outcome is pending.
    """
    if any(outcome.status == "pending" for outcome in outcomes):
        raise InvdesignError("add_designs: expected measured or failed designs, got one that is pending")
    placement = place(engine.latent_space, designs)
    return DesignsAdded(
        tuple(
            Candidate(
                design,
                engine.campaign.domain.key(design),
                placement.Z[row],
                origin=GIVEN,
                y=outcome.y,
                status=outcome.status,
                reason=outcome.reason,
                error=outcome.error,
                bound=outcome.bound,
                name=names[row] if names else "",
                log_density=float(placement.log_density[row]),
                percentile=float(placement.percentile[row]),
            )
            for row, (design, outcome) in enumerate(zip(designs, outcomes, strict=True))
        )
    )
