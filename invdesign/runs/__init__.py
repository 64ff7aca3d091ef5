"""The application: durable campaigns in folders, their results, and the cache of latent spaces."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invdesign.runs.campaign_run import CampaignRun
    from invdesign.runs.resources import Resources
    from invdesign.runs.results import Shortlist, Status

_MODULES = {"CampaignRun": "campaign_run", "Resources": "resources", "Shortlist": "results", "Status": "results"}

__all__ = ["CampaignRun", "Resources", "Shortlist", "Status"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'invdesign.runs' has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(f"invdesign.runs.{_MODULES[name]}"), name)
    return value
