"""Search in latent space: proposers, acquisition functions, trust regions and batch selection.

It operates on R^d and does not depend on a domain.
"""

from invdesign.search.search import Search, proposals
from invdesign.search.trust_region import TrustRegion

__all__ = ["Search", "TrustRegion", "proposals"]
