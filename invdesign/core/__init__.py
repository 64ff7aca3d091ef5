"""Core data types and the protocols that plug-ins implement."""

from invdesign.core.errors import InvdesignError
from invdesign.core.objectives import Combine, Goal, Objective, utilities
from invdesign.core.pareto import first_occurrences, pareto_front, rank
from invdesign.core.progress import Progress, silent
from invdesign.core.protocols import (
    Acquire,
    BuildVAE,
    Deliver,
    Density,
    Domain,
    Evaluate,
    FitDensity,
    FitSurrogate,
    Illustrate,
    Oracle,
    Propose,
    Validator,
)
from invdesign.core.randomness import round_seed
from invdesign.core.records import (
    FAILED,
    Array,
    B,
    Candidate,
    Check,
    Corpus,
    D,
    Landscape,
    Outcome,
    Rejection,
    Status,
)

__all__ = [
    "FAILED",
    "Acquire",
    "Array",
    "B",
    "BuildVAE",
    "Candidate",
    "Check",
    "Combine",
    "Corpus",
    "D",
    "Deliver",
    "Density",
    "Domain",
    "Evaluate",
    "FitDensity",
    "FitSurrogate",
    "Goal",
    "Illustrate",
    "InvdesignError",
    "Landscape",
    "Objective",
    "Oracle",
    "Outcome",
    "Progress",
    "Propose",
    "Rejection",
    "Status",
    "Validator",
    "first_occurrences",
    "pareto_front",
    "rank",
    "round_seed",
    "silent",
    "utilities",
]
