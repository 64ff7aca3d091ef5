"""The hall in which the domain wing and the search wing meet: a campaign's parts, its memory, its rounds."""

from invdesign.campaign.aligned import Funnel, Pool, align
from invdesign.campaign.ask import ask
from invdesign.campaign.parts import Campaign, Memory, Region, RoundRecord, State
from invdesign.campaign.regions import front, ranking
from invdesign.campaign.run import begin, checked, run, shortlist, tell

__all__ = [
    "Campaign",
    "Funnel",
    "Memory",
    "Pool",
    "Region",
    "RoundRecord",
    "State",
    "align",
    "ask",
    "begin",
    "checked",
    "front",
    "ranking",
    "run",
    "shortlist",
    "tell",
]
