"""Views of a latent space: projections to the plane."""

from invdesign.atlas.frozen import FrozenProjection, fit_projection
from invdesign.atlas.projection import Projection, ProjectionMethod, project, thin

__all__ = ["FrozenProjection", "Projection", "ProjectionMethod", "fit_projection", "project", "thin"]
