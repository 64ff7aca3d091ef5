"""The campaign of a run from its stored configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from invdesign.config.instantiate import build
from invdesign.core import InvdesignError, MakeExecutor
from invdesign.runs import folders
from invdesign.runs.folders import RunConfig


def stored_campaign(
    folder: Path, config: RunConfig, allow: Sequence[str], *, read_only: bool
) -> tuple[Any, MakeExecutor]:
    """Return the campaign of a run's stored configuration, and where its oracle runs.

    A run that is read needs no oracle: one that cannot be imported fails when it is called.

    Raises:
        InvdesignError: The run was started in Python, or its configuration is refused.
    """
    if not config.config:
        raise InvdesignError(
            f"{folder}: this run was started in Python, so its campaign is not stored. Use "
            "CampaignRun.open(folder, campaign)"
        )
    place = folder / folders.CONFIG
    beside = [Path(config.campaign).parent] if config.campaign and Path(config.campaign).is_file() else []

    def make(values: Mapping[str, Any]) -> Any:
        return build(
            values,
            lambda keys: f"{place}: {'.'.join(keys)}",
            name=config.name,
            allowed=allow,
            folders=[*beside, Path.cwd()],
        )

    try:
        parts = make(config.config)
    except InvdesignError as error:
        if not read_only:
            raise
        missing = {"_target_": "invdesign.execution.unavailable.unavailable", "_partial_": True, "reason": str(error)}
        parts = make({**config.config, "oracle": missing})
    return parts.campaign, parts.executor
