"""Where to look: the proposers, functions `(Landscape, n, *, options)` to `n x d` latents worth decoding."""

from invdesign.search.ascent import density_ascent, maximize_acquisition
from invdesign.search.cloud import elite_paths, local_steps, prior_draws, sobol_cloud

__all__ = ["density_ascent", "elite_paths", "local_steps", "maximize_acquisition", "prior_draws", "sobol_cloud"]
