"""The hall in which the domain wing and the search wing meet: a campaign's parts, its memory, its rounds."""

from invdesign.campaign.ask import ask
from invdesign.campaign.definition import Campaign, Recorder, Region, RoundRecord, State
from invdesign.campaign.interpolation import Interpolation, Step, interpolate
from invdesign.campaign.loop import (
    count_failures,
    initialize,
    rank_shortlist,
    run,
    shortlist,
    tell,
    validate_candidates,
)
from invdesign.campaign.pool import Funnel, Pool, decode_screen_encode
from invdesign.campaign.regions import pareto_front, rank

__all__ = [
    "Campaign",
    "Funnel",
    "Interpolation",
    "Pool",
    "Recorder",
    "Region",
    "RoundRecord",
    "State",
    "Step",
    "ask",
    "count_failures",
    "decode_screen_encode",
    "initialize",
    "interpolate",
    "pareto_front",
    "rank",
    "rank_shortlist",
    "run",
    "shortlist",
    "tell",
    "validate_candidates",
]
