"""Ranges of numeric settings, checked before anything is imported; the key is the name of the parameter."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from invdesign.config.signatures import Parameter

MAX_INTEGER = 2**53
"""Largest whole number that JSON and float64 hold exactly."""
_COUNTS = (
    "batch beam budget chunk depth d embedding generations layers max_designs max_empty_rounds max_fit_points "
    "max_points n_components n_elites n_inducing n_parents n_regions n_samples n_seeds n_shortlist oversample samples "
    "shortlist width workers"
)
_NOT_NEGATIVE = (
    "beta checkpoint_minutes density_weight draw_seed epochs failure_tolerance finetune_every free_bits held_out "
    "information_epochs learning_rate max_minutes max_tasks min_distance min_epochs min_steps n_baseline n_in_flight "
    "n_merges n_random n_replay n_strained noise noise_floor patience seed success_tolerance validate_every warmup "
    "weight weight_decay"
)
_FRACTIONS = (
    "crossover_rate fraction input_dropout max_failure_rate move_rate offset_fraction paste_rate prior shift_rate "
    "swap_rate token_dropout"
)
RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(_COUNTS.split(), (1, math.inf)),
    **dict.fromkeys(_NOT_NEGATIVE.split(), (0, math.inf)),
    **dict.fromkeys(_FRACTIONS.split(), (0, 1)),
    "min_plausibility": (0, 100),
    "min_rank_correlation": (-1, 1),
    "percentile": (0, 100),
}
"""Smallest and largest value of a setting; both are allowed."""
_PAIR = re.compile(r"tuple\[(?:float|int)(?: \| None)?, (?:float|int)(?: \| None)?\]")
_NUMBERS = re.compile(r"(?:Sequence|list)\[(?:float|int)\]")
POSITIVE = ("epochs", "min_epochs", "learning_rate", "length", "timeout")
"""Settings that must be larger than 0."""


def out_of_range(parameter: Parameter, given: Any) -> str:
    """Return why a number is no value of a parameter; an empty string where it is one, or no number.

    Example:
        >>> out_of_range(Parameter("max_failure_rate", "float", "0.5"), 3.0)
        'expected a number from 0 to 1, got 3.0'
    """
    if isinstance(given, list | tuple):
        problems = (out_of_range(parameter, item) for item in given)
        return next(filter(None, problems), "") or _problem_of_list(parameter, given)
    if not isinstance(given, int | float) or isinstance(given, bool):
        return ""
    if isinstance(given, int) and abs(given) > MAX_INTEGER:
        return "expected a number up to 2**53, got a larger one"
    if math.isnan(given):
        return f"expected a number, got {given}"
    if math.isinf(given) and parameter.default not in ("inf", "-inf", "math.inf", "-math.inf", "None"):
        return f"expected a finite number, got {given}"
    if parameter.name in POSITIVE and given <= 0:
        return f"expected a number above 0, got {given}"
    low, high = RANGES.get(parameter.name, (-math.inf, math.inf))
    if low <= given <= high:
        return ""
    limits = f"from {low:g} to {high:g}" if high < math.inf else f"of at least {low:g}"
    return f"expected a number {limits}, got {given}"


def _problem_of_list(parameter: Parameter, given: Sequence[Any]) -> str:
    """Return the problem of a list of numbers: a reversed range, or an empty list."""
    is_pair = len(given) == 2 and all(isinstance(item, int | float) for item in given)
    if is_pair and _PAIR.search(parameter.annotation) and given[0] > given[1]:
        return f"expected a range [low, high], got [{given[0]}, {given[1]}]"
    if not given and _NUMBERS.search(parameter.annotation) and parameter.default not in (None, "()", "[]", "None"):
        return "expected at least one number, got none"
    return ""
