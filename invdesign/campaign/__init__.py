"""Campaigns: definition, state, and the steps of a round."""

from invdesign.campaign.added import add_designs
from invdesign.campaign.ask import ask
from invdesign.campaign.definition import (
    Campaign,
    Filters,
    Finetuning,
    Limits,
    Output,
    Seeding,
    Surrogates,
    Task,
    Transfer,
)
from invdesign.campaign.diversity import Diversity
from invdesign.campaign.engine import Engine, make_engine
from invdesign.campaign.initialize import (
    check_named_units,
    check_properties,
    check_seed_properties,
    initialize,
    is_measured,
)
from invdesign.campaign.interpolation import Crossing, Interpolation, Step, interpolate
from invdesign.campaign.loop import close_round, run, start
from invdesign.campaign.pool import Funnel, Pool, decode_screen_encode
from invdesign.campaign.scoring import score
from invdesign.campaign.shortlist import count_failures, rank_shortlist, shortlist, validate_candidates
from invdesign.campaign.state import (
    BatchSelected,
    CallsLeased,
    CallsReleased,
    DesignsAdded,
    Lease,
    OutcomeRecorded,
    Recorder,
    Region,
    Retrained,
    RoundEnded,
    RoundRecord,
    State,
    Steered,
    apply,
    recorded_outcome,
)
from invdesign.campaign.steering import active_changes, steer_campaign, steer_engine
from invdesign.campaign.tell import tell

__all__ = [
    "BatchSelected",
    "CallsLeased",
    "CallsReleased",
    "Campaign",
    "Crossing",
    "DesignsAdded",
    "Diversity",
    "Engine",
    "Filters",
    "Finetuning",
    "Funnel",
    "Interpolation",
    "Lease",
    "Limits",
    "OutcomeRecorded",
    "Output",
    "Pool",
    "Recorder",
    "Region",
    "Retrained",
    "RoundEnded",
    "RoundRecord",
    "Seeding",
    "State",
    "Steered",
    "Step",
    "Surrogates",
    "Task",
    "Transfer",
    "active_changes",
    "add_designs",
    "apply",
    "ask",
    "check_named_units",
    "check_properties",
    "check_seed_properties",
    "close_round",
    "count_failures",
    "decode_screen_encode",
    "initialize",
    "interpolate",
    "is_measured",
    "make_engine",
    "rank_shortlist",
    "recorded_outcome",
    "run",
    "score",
    "shortlist",
    "start",
    "steer_campaign",
    "steer_engine",
    "tell",
    "validate_candidates",
]
