"""What the report of a run shows, collected from the run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from invdesign.atlas import ProjectionMethod
from invdesign.atlas.linear_twin import Comparison, compare_with_linear
from invdesign.campaign import count_failures, rank_shortlist
from invdesign.core import B, Candidate, D, InvdesignError
from invdesign.export import provenance
from invdesign.latent.rate_sweep import RateCurve, read_curve
from invdesign.latent.space import LatentSpace
from invdesign.report import ReportData, report
from invdesign.report.latent_map import LatentMap
from invdesign.runs import latent_spaces
from invdesign.runs.audits import kinds_of, note_unlike, stored_auditor_of
from invdesign.runs.baseline import baseline_history
from invdesign.runs.latent_map import MapSettings, map_run
from invdesign.runs.steering import describe_steering
from invdesign.search.mutations import MutationPolicy
from invdesign.vae.training import Recipe

if TYPE_CHECKING:
    from invdesign.runs.campaign_run import CampaignRun

MAX_REPORTED = 1_000
"""Designs of the corpus on the map in a report."""

logger = logging.getLogger(__name__)


def write_report(run: CampaignRun[D, B], path: Path) -> None:
    """Write the HTML report of a run, with its map and the comparison with a linear model where there is a corpus.

    Raises:
        InvdesignError: The file cannot be written.
    """
    drawn = _latent_map(run)
    # The map is a t-SNE itself.
    projections: tuple[ProjectionMethod, ...] = ("pca", "tsne") if drawn is None else ("pca",)
    twin = () if drawn is None else linear_twin_of(run)
    data = replace(report_data(run), latent_map=drawn, rate_curve=_rate_curve(run), linear_twin=twin)
    report(data, path, projections=projections)


def report_data(run: CampaignRun[D, B]) -> ReportData[D]:
    """Return what a report of a run shows, without what needs the latent space."""
    campaign, validated = run.current, run.validated()
    latents, log_density = latent_spaces.read_sample(run.folder)
    stall = run.explain_stall()
    return ReportData(
        name=campaign.name,
        domain=campaign.domain,
        objectives=campaign.objectives,
        state=run.state,
        sources=run.sources(),
        shortlist=rank_shortlist(campaign, validated),
        n_valid=sum(c.is_valid for c in validated),
        failure_counts=count_failures(validated),
        combine=campaign.task.combine,
        constraints=campaign.task.limits,
        baseline=baseline_history(run.folder, campaign.domain),
        corpus_latents=latents,
        corpus_log_density=log_density,
        illustrate=campaign.output.figures,
        model_card=run.recorded("model_card") or {},
        settings=run.config.config,
        versions=provenance(),
        command=run.config.command,
        notes=[
            *run.changes,
            *_steering(run),
            *_contradictions(run),
            *_unlike(run, validated),
            *([stall] if stall else []),
        ],
    )


def _rate_curve(run: CampaignRun[D, B]) -> RateCurve | None:
    """Return the rate-distortion curve of the campaign's VAE, where it was measured."""
    vae = run.campaign.vae
    if not isinstance(vae, Recipe) or not run.is_loaded("corpus") or run.corpus is None:
        return None
    return read_curve(run.campaign.domain, run.corpus, vae, run.resources.cache)


def linear_twin_of(run: CampaignRun[D, B]) -> Sequence[Comparison]:
    """Return figures of the latent space beside those of a linear model; nothing without a corpus."""
    space = run.engine.latent_space
    if run.corpus is None or not isinstance(space, LatentSpace):
        return ()
    found = [c for c in run.state.evaluated if c.status == "measured" and c.is_placed]
    y = run.campaign.utilities(found)[:, 0] if found else None
    try:
        change = None if run.campaign.mutations is None else partial(_mutated, run.campaign.mutations)
        return compare_with_linear(space, run.corpus.designs, [c.design for c in found], y, change=change)
    except (InvdesignError, ValueError, RuntimeError) as error:  # the last are those of linear algebra
        logger.info("report: no comparison with a linear model (%s)", error)
        return ()


def _mutated(policy: MutationPolicy, designs: Sequence[D]) -> Sequence[D]:
    """Return as many designs, made by the largest mutations of the campaign."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return policy.mutate(designs, len(designs), radius=policy.max_radius)


def _latent_map(run: CampaignRun[D, B]) -> LatentMap | None:
    """Return the map of the run for its report; None without a corpus, or where the model has to be trained."""
    try:
        if not run.is_loaded("engine") and not latent_spaces.is_prepared(run.campaign, run.corpus, run.resources.cache):
            return None
        return map_run(run, MapSettings(n=MAX_REPORTED, max_pictures=MAX_REPORTED))
    except (InvdesignError, OSError) as error:
        logger.info("report: no map (%s)", error)
        return None


def _contradictions(run: CampaignRun[D, B]) -> list[str]:
    """Return the contradictory measurements of the corpus and the seed designs, as warnings."""
    recorded = run.recorded("measured_values") or {}
    return [
        f"{usage['name']} ({source}): {text}"
        for source, usages in recorded.items()
        for usage in usages
        for text in usage["contradictions"]
    ]


def _unlike(run: CampaignRun[D, B], validated: Sequence[Candidate[D]]) -> list[str]:
    """Return how many designs are unlike real ones, where the audit of the model is stored; none is fitted here."""
    auditor = stored_auditor_of(run)
    if auditor is None:
        return []
    kinds = kinds_of(run.state.evaluated, rank_shortlist(run.current, validated))
    try:
        return note_unlike(auditor, kinds)
    except InvdesignError as error:
        logger.warning("report: the audit failed: %s", error)
        return []


def _steering(run: CampaignRun[D, B]) -> list[str]:
    """Return the changes of the running campaign as sentences."""
    numbers = [number for number, _ in run.state.steering]
    return [describe_steering(number, recorded) for number, recorded in zip(numbers, run.steering(), strict=True)]
