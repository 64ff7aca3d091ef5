"""The search: where to look times what is good. It knows R^d and nothing of any domain."""

from invdesign.search.search import Search, proposals
from invdesign.search.trust_region import TrustRegion

__all__ = ["Search", "TrustRegion", "proposals"]
