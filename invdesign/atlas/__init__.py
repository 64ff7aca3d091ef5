"""Views of a latent space: projections to the plane, clusters and voids, and designs that are unlike real ones."""

from invdesign.atlas.audit import Auditor, Finding, fit_auditor
from invdesign.atlas.chimeras import Parents, find_parents, simulate_chimeras
from invdesign.atlas.clusters import Cluster, Enrichment, find_clusters, name_clusters
from invdesign.atlas.coordinates import MapCoordinates, fit_coordinates
from invdesign.atlas.frozen import FrozenProjection, fit_projection
from invdesign.atlas.projection import Projection, ProjectionMethod, project, thin
from invdesign.atlas.voids import DensityGrid, Void, density_grid

__all__ = [
    "Auditor",
    "Cluster",
    "DensityGrid",
    "Enrichment",
    "Finding",
    "FrozenProjection",
    "MapCoordinates",
    "Parents",
    "Projection",
    "ProjectionMethod",
    "Void",
    "density_grid",
    "find_clusters",
    "find_parents",
    "fit_auditor",
    "fit_coordinates",
    "fit_projection",
    "name_clusters",
    "project",
    "simulate_chimeras",
    "thin",
]
