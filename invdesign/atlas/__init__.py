"""Views of a latent space: projections to the plane."""

from invdesign.atlas.projection import Projection, ProjectionMethod, project, thin

__all__ = ["Projection", "ProjectionMethod", "project", "thin"]
