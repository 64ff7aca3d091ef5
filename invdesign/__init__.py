"""Inverse design through a learned latent space. The public names, each imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invdesign.campaign import (
        Campaign,
        Engine,
        Filters,
        Finetuning,
        Limits,
        Output,
        Seeding,
        State,
        Surrogates,
        Task,
        apply,
        ask,
        initialize,
        interpolate,
        make_engine,
        run,
        shortlist,
        start,
        tell,
    )
    from invdesign.core import Candidate, Check, Corpus, InvdesignError, Objective, Outcome
    from invdesign.latent.prepare import Pretrained, prepare
    from invdesign.latent.space import LatentSpace
    from invdesign.ledger import Ledger
    from invdesign.runs import CampaignRun, Resources
    from invdesign.search.mutations import MutationPolicy
    from invdesign.search.search import Search
    from invdesign.search.trust_region import TrustRegion
    from invdesign.vae.training import Recipe

__version__ = "0.2.0"

_MODULES = {
    "campaign": (
        "Campaign",
        "Engine",
        "Filters",
        "Finetuning",
        "Limits",
        "Output",
        "Seeding",
        "State",
        "Surrogates",
        "Task",
        "apply",
        "ask",
        "initialize",
        "interpolate",
        "make_engine",
        "run",
        "shortlist",
        "start",
        "tell",
    ),
    "core": ("Candidate", "Check", "Corpus", "InvdesignError", "Objective", "Outcome"),
    "latent.prepare": ("Pretrained", "prepare"),
    "latent.space": ("LatentSpace",),
    "ledger": ("Ledger",),
    "runs": ("CampaignRun", "Resources"),
    "search.mutations": ("MutationPolicy",),
    "search.search": ("Search",),
    "search.trust_region": ("TrustRegion",),
    "vae.training": ("Recipe",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Campaign",
    "CampaignRun",
    "Candidate",
    "Check",
    "Corpus",
    "Engine",
    "Filters",
    "Finetuning",
    "InvdesignError",
    "LatentSpace",
    "Ledger",
    "Limits",
    "MutationPolicy",
    "Objective",
    "Outcome",
    "Output",
    "Pretrained",
    "Recipe",
    "Resources",
    "Search",
    "Seeding",
    "State",
    "Surrogates",
    "Task",
    "TrustRegion",
    "apply",
    "ask",
    "initialize",
    "interpolate",
    "make_engine",
    "prepare",
    "run",
    "shortlist",
    "start",
    "tell",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'invdesign' has no attribute {name!r}; it has {', '.join(__all__)}")
    globals()[name] = value = getattr(import_module(f"invdesign.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
