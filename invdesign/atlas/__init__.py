"""Views of a latent space: projections to the plane."""
