"""The hall in which the domain wing and the search wing meet: a campaign's parts, its memory, its rounds."""

from invdesign.campaign.aligned import Funnel, Pool, align
from invdesign.campaign.ask import ask
from invdesign.campaign.interpolate import Interpolation, Step, interpolate
from invdesign.campaign.parts import Campaign, Memory, Region, RoundRecord, State
from invdesign.campaign.regions import front, ranking
from invdesign.campaign.run import begin, checked, listed, refusals, run, shortlist, tell

__all__ = [
    "Campaign",
    "Funnel",
    "Interpolation",
    "Memory",
    "Pool",
    "Region",
    "RoundRecord",
    "State",
    "Step",
    "align",
    "ask",
    "begin",
    "checked",
    "front",
    "interpolate",
    "listed",
    "ranking",
    "refusals",
    "run",
    "shortlist",
    "tell",
]
