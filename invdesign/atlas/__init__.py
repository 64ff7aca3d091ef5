"""Views of a latent space: projections to the plane, clusters and voids."""

from invdesign.atlas.clusters import Cluster, Enrichment, find_clusters, name_clusters
from invdesign.atlas.coordinates import MapCoordinates, fit_coordinates
from invdesign.atlas.frozen import FrozenProjection, fit_projection
from invdesign.atlas.projection import Projection, ProjectionMethod, project, thin
from invdesign.atlas.voids import DensityGrid, Void, density_grid

__all__ = [
    "Cluster",
    "DensityGrid",
    "Enrichment",
    "FrozenProjection",
    "MapCoordinates",
    "Projection",
    "ProjectionMethod",
    "Void",
    "density_grid",
    "find_clusters",
    "fit_coordinates",
    "fit_projection",
    "name_clusters",
    "project",
    "thin",
]
