"""Plan of a sweep: a campaign, the axes that are varied, and the jobs that follow."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from invdesign.config import compose, instantiate
from invdesign.config.sweep_axes import Axis, axes, combinations
from invdesign.core.errors import InvdesignError
from invdesign.runs.folders import check_name
from invdesign.sweep.index import Job

SEED = "seed"
MAX_JOBS = 100_000
MAX_SEEDS = 10_000


@dataclass(frozen=True)
class Source:
    """A campaign, and where its parts are looked for."""

    campaign: str | None = None
    """File or name; None for the default configuration."""
    config_dirs: tuple[str, ...] = ()
    """Folders of the user's own groups."""
    allow: tuple[str, ...] = ()
    """Modules that targets may name."""

    def folders(self) -> list[Path]:
        """Return the folders of the user's modules: that of the campaign's file, then the current one."""
        beside = [compose.campaign_file(self.campaign).parent] if self.campaign else []
        return [*beside, Path.cwd()]

    def command(self, verb: str, overrides: Sequence[str], *, cache: str | Path | None = None) -> tuple[str, ...]:
        """Return the command line of this program on the campaign, with JSON as its output."""
        words = [sys.executable, "-m", "invdesign", verb, *([self.campaign] if self.campaign else []), *overrides]
        words.append("--json")
        for option, values in (("--config-dir", self.config_dirs), ("--allow", self.allow)):
            for value in values:
                words += [option, value]
        return (*words, *(("--cache", str(cache)) if cache else ()))

    def absolute(self) -> Source:
        """Return it with absolute paths, so that a job finds them from any folder."""
        campaign = self.campaign
        if campaign and Path(campaign).is_file():
            campaign = str(Path(campaign).resolve())
        return Source(campaign, tuple(str(Path(folder).resolve()) for folder in self.config_dirs), self.allow)


@dataclass(frozen=True)
class Plan:
    """A sweep before it runs."""

    name: str
    """Name of the campaign."""
    source: Source
    """The campaign."""
    axes: tuple[Axis, ...]
    """One for each override, in their order."""
    digest: str
    """8 hexadecimal digits of the checksum of campaign and axes."""
    settings: tuple[str, ...] = field(default=())
    """Keys that are varied, seeds left out."""

    def jobs(self) -> list[Job]:
        """Return every combination as a job."""
        jobs = []
        varied = [axis.key for axis in self.axes if axis.is_varied]
        for number, overrides in enumerate(combinations(self.axes)):
            values = {axis.key: text.partition("=")[2] for axis, text in zip(self.axes, overrides, strict=True)}
            setting = {key: values[key] for key in varied if key != SEED}
            seed = int(values[SEED]) if values.get(SEED, "").lstrip("-").isdigit() else None
            jobs.append(Job(number, tuple(overrides), setting, seed))
        return jobs


def make_plan(source: Source, overrides: Sequence[str], *, n_seeds: int | None = None) -> Plan:
    """Return the plan of a sweep; each value of each axis is validated before anything runs.

    Args:
        source: The campaign.
        overrides: Changes in Hydra's grammar, with several values where they vary.
        n_seeds: Number of seeds with which every setting is repeated; the first is that of the campaign.

    Raises:
        InvdesignError: A value is refused, or there are too many jobs.
    """
    given = axes(overrides, config_dirs=source.config_dirs)
    repeated = [axis.key for axis in given if [other.key for other in given].count(axis.key) > 1 and axis.is_varied]
    if repeated:
        raise InvdesignError(f"sweep: expected {repeated[0]} once, got it twice. Write all its values in one list")
    first = [axis.choices[0] for axis in given]
    base = check_source(source, first)
    if n_seeds is not None:
        given.append(_seed_axis(given, n_seeds, int(base.values.get(SEED) or 0)))
    n_jobs = 1
    for position, axis in enumerate(given):
        n_jobs *= len(axis.choices)
        for choice in axis.choices[1:] if axis.key != SEED else ():
            check_source(source, [*first[:position], choice, *first[position + 1 :]])
    if n_jobs > MAX_JOBS:
        raise InvdesignError(f"sweep: expected at most {MAX_JOBS:,} jobs, got {n_jobs:,}. Vary less at a time")
    name = check_name(base.values.get("name") or base.name)
    content = {"name": name, "base": base.values, "axes": [asdict(axis) for axis in given]}
    text = json.dumps(content, sort_keys=True, default=str)
    varied = tuple(axis.key for axis in given if axis.is_varied and axis.key != SEED)
    return Plan(name, source.absolute(), tuple(given), hashlib.sha256(text.encode()).hexdigest()[:8], varied)


def _seed_axis(given: Sequence[Axis], n_seeds: int, first: int) -> Axis:
    if any(axis.key == SEED for axis in given):
        raise InvdesignError("sweep: expected --seeds or seed=..., got both. Leave one out")
    if not 1 <= n_seeds <= MAX_SEEDS:
        raise InvdesignError(f"sweep: --seeds must be from 1 to {MAX_SEEDS:,}, got {n_seeds}")
    return Axis(SEED, tuple(f"{SEED}={first + i}" for i in range(n_seeds)))


def check_source(source: Source, overrides: Sequence[str]) -> compose.Composed:
    """Compose the configuration of a job and validate it; nothing that it names is imported.

    Raises:
        InvdesignError: It is refused, or a laboratory measures its designs.
    """
    composed = compose.compose(source.campaign, overrides, config_dirs=source.config_dirs)
    checked = instantiate.check(composed.values, composed.where, allowed=source.allow, folders=source.folders())
    if instantiate.is_laboratory(checked):
        raise InvdesignError("sweep: expected an oracle that runs, got the laboratory. Start its runs with begin")
    return composed
