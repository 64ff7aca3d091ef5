"""Data of a map of a latent space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from invdesign.atlas import Cluster, DensityGrid, FrozenProjection
from invdesign.core import Array


@dataclass(frozen=True)
class MapDesign:
    """A design on the map."""

    label: str
    """Label for people."""
    text: str
    """The design as text, for the exported list."""
    group: str
    """`"corpus"` or `"measured"`."""
    values: Mapping[str, float]
    """Values by name, NaN where there is none."""
    id: str = ""
    """Identifier in the run."""
    picture: str = ""
    """Picture as SVG; empty where there is none."""


@dataclass(frozen=True)
class PathPoint:
    """A design on the path of a campaign."""

    design: int
    """Position of the design on the map."""
    round: int
    """Its round."""


@dataclass(frozen=True, eq=False)
class LatentMap:
    """Designs in the plane."""

    name: str
    """Name of the campaign or of the corpus."""
    domain: str
    """Name of the domain."""
    projection: FrozenProjection
    """The projection, fitted on the corpus."""
    coordinates: str
    """What distances are taken in, in words."""
    designs: Sequence[MapDesign]
    """`n` designs."""
    points: Array
    """`n x 2` coordinates."""
    trust: Array
    """`n` local trustworthiness values."""
    path: Sequence[PathPoint] = ()
    """The best design of each round, in the order of the rounds."""
    clusters: Sequence[Cluster] = ()
    """Clusters of the designs, largest first."""
    grid: DensityGrid | None = None
    """Density of the corpus on the map; None where it was not computed."""

    @property
    def sentence(self) -> str:
        """How far the picture can be trusted."""
        n_measured = sum(design.group == "measured" for design in self.designs)
        measured = f" and {n_measured:,} measured ones" if n_measured else ""
        return (
            f"{self.projection.name} of {len(self.designs) - n_measured:,} designs of the corpus{measured}, in "
            f"{self.coordinates}. "
            f"Trustworthiness {self.projection.trustworthiness:.3f}, continuity {self.projection.continuity:.3f} "
            "(1 at best): distances between far groups mean little."
        )
