"""Scores of given designs: what the surrogates predict of designs that somebody else proposes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from invdesign.campaign.ask import choose_search, region_landscape
from invdesign.campaign.engine import Engine
from invdesign.campaign.placement import place
from invdesign.campaign.pool import run_checks
from invdesign.campaign.round_model import fit_surrogates, predict_properties
from invdesign.campaign.state import State
from invdesign.campaign.steering import steer_engine
from invdesign.core import B, Candidate, D, round_seed
from invdesign.search.select import merit


def score(engine: Engine[D, B], state: State[D], designs: Sequence[D]) -> list[Candidate[D]]:
    """Return designs with predictions, acquisition, density and checks, as the next round would score them.

    Args:
        engine: The campaign bound to its latent space.
        state: What is known.
        designs: Designs of any origin. One that the model cannot write has no density, and predictions where the
            surrogate reads features.

    Returns:
        A candidate per design, of origin `"scored"`; predictions are empty and the acquisition is NaN without a
        surrogate. Checks are those of the screens, then of the validators.
    """
    engine = steer_engine(engine, state)
    campaign = engine.campaign
    placement = place(engine.latent_space, designs)
    checks = run_checks([*campaign.screens, *campaign.filters.validators], designs)
    candidates: list[Candidate[D]] = [
        Candidate(
            design,
            campaign.domain.key(design),
            placement.Z[i],
            round=state.round + 1,
            origin="scored",
            log_density=float(placement.log_density[i]),
            percentile=float(placement.percentile[i]),
            checks=tuple({check.name: check for check in checks[i]}.values()),
            reason=placement.errors[i],
        )
        for i, design in enumerate(designs)
    ]
    readable = engine.informative(candidates)
    if not readable:
        return candidates
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(round_seed(campaign.seed, state.round + 1))
        model = fit_surrogates(engine, state)
        search, _ = choose_search(engine, state, model)
        X = engine.inputs(readable)
        predictions = predict_properties(engine, model, X)
        landscape = region_landscape(engine, state, model, 0)
        values = [math.nan] * len(readable)
        if landscape is not None and search.acquire is not None:
            values = merit(search.acquire(landscape), X).tolist()
    scored = {
        c.key: replace(c, mean=p.mean, sd=p.sd, quantiles=p.quantiles, acquisition=value)
        for c, p, value in zip(readable, predictions, values, strict=True)
    }
    return [scored.get(c.key, c) for c in candidates]
