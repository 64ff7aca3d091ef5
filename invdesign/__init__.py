"""Inverse design through a learned latent space: the public names, each imported when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invdesign.campaign import Campaign, State, ask, initialize, run, shortlist, tell
    from invdesign.core import Candidate, Check, Corpus, InvdesignError, Objective, Outcome
    from invdesign.latent.prepare import Pretrained, prepare
    from invdesign.latent.space import LatentSpace
    from invdesign.ledger import Ledger
    from invdesign.search.search import Search
    from invdesign.search.trust_region import TrustRegion
    from invdesign.vae.training import Recipe

__version__ = "0.2.0"

_HOMES = {
    "Campaign": "campaign",
    "Candidate": "core",
    "Check": "core",
    "Corpus": "core",
    "InvdesignError": "core",
    "LatentSpace": "latent.space",
    "Ledger": "ledger",
    "Objective": "core",
    "Outcome": "core",
    "Pretrained": "latent.prepare",
    "Recipe": "vae.training",
    "Search": "search.search",
    "State": "campaign",
    "TrustRegion": "search.trust_region",
    "ask": "campaign",
    "initialize": "campaign",
    "prepare": "latent.prepare",
    "run": "campaign",
    "shortlist": "campaign",
    "tell": "campaign",
}

__all__ = [
    "Campaign",
    "Candidate",
    "Check",
    "Corpus",
    "InvdesignError",
    "LatentSpace",
    "Ledger",
    "Objective",
    "Outcome",
    "Pretrained",
    "Recipe",
    "Search",
    "State",
    "TrustRegion",
    "ask",
    "initialize",
    "prepare",
    "run",
    "shortlist",
    "tell",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'invdesign' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(f"invdesign.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
