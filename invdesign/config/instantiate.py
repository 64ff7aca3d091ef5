"""From a composed configuration to a Campaign: refused where it is unsafe, checked, then instantiated once."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from invdesign.config import targets, validation
from invdesign.core import Evaluate, InvdesignError, Oracle

CAMPAIGN = "invdesign.campaign.Campaign"
SEVERAL = "invdesign.domains.combined_oracle.several"
BESIDE = ("executor", "vendor")


@dataclass(frozen=True)
class Parts:
    """What a configuration makes: the campaign, and where its oracle runs."""

    campaign: Any
    evaluate: Evaluate


def refuse(values: dict[str, Any], where: validation.Where, *, allowed: Sequence[str] = ()) -> dict[str, Any]:
    """The configuration with `function: module:name` written as a `_target_`, if all of its targets may be used.

    Nothing that it names is imported here.

    Raises:
        InvdesignError: a target is not allowed; the message says where it stands.
    """
    values = _functions(values, where)
    for keys, node in targets.walk(values):
        problem = targets.problem(node, allowed=allowed)
        if problem:
            place = where((*keys, "_target_"))
            raise InvdesignError(f"{place}: {'.'.join(keys) or 'configuration'}: {problem}")
        for key, value in node.items():
            if isinstance(value, str) and "${" in value:
                raise InvdesignError(
                    f"{where((*keys, key))}: {key}: {value!r} still holds a reference; write the value"
                )
    return values


def build(
    values: dict[str, Any],
    where: validation.Where,
    *,
    name: str,
    allowed: Sequence[str] = (),
    folders: Sequence[Path] = (),
) -> Parts:
    """Check a configuration against the signatures that it names, and instantiate it.

    Args:
        values: composed and plain.
        where: says for people where a key was set.
        name: of the campaign, where the configuration gives none.
        allowed: modules of the user's that targets may name.
        folders: where those modules are looked for.

    Raises:
        InvdesignError: an unsafe target, an unknown key, a wrong type, or a part that refuses its settings.
    """
    values = refuse(values, where, allowed=allowed)
    if allowed:
        sys.path += [str(folder) for folder in folders if str(folder) not in sys.path]
    campaign = {key: value for key, value in values.items() if key not in BESIDE and _is_said(key, value)}
    campaign = {"_target_": CAMPAIGN, "name": name, **campaign, "oracle": _joined(values.get("oracle"), where)}
    made = _instantiate(validation.completed(campaign, where))
    if made.finetune is not None and "fit_density" not in getattr(made.finetune, "keywords", {}):
        made = replace(made, finetune=bound(made.finetune, {"fit_density": made.density}))
    return Parts(made, part(values["executor"], where, ("executor",)))


def part(node: dict[str, Any], where: validation.Where, keys: tuple[str, ...]) -> Any:
    """Check and instantiate one part that `refuse` let through."""
    return _instantiate(validation.completed(node, where, keys))


def bound(function: Any, options: Mapping[str, Any]) -> Any:
    """A function with those of the options bound that it takes."""
    parameters, _ = validation.parameters(getattr(function, "func", function))
    return partial(function, **{key: value for key, value in options.items() if key in parameters})


def _instantiate(node: Any) -> Any:
    """What a completed node describes: lists and mappings of parts, classes built, functions bound.

    Hydra's own `instantiate` wraps what it binds, asks its policy again at every later call, and would so reach below
    the door; here a bound function is a plain partial, which also travels to other processes.
    """
    if isinstance(node, list):
        return [_instantiate(value) for value in node]
    if not isinstance(node, dict):
        return node
    settings = {key: _instantiate(value) for key, value in node.items() if key not in targets.META}
    if "_target_" not in node:
        return settings
    function = targets.resolve(node["_target_"])
    if node.get("_partial_"):
        return partial(function, **settings) if settings else function
    try:
        return function(**settings)
    except (TypeError, ValueError) as error:
        raise InvdesignError(f"configuration: {node['_target_']} refuses its settings: {error}") from error


def ready(oracle: Oracle) -> str:
    """Ask an oracle about no designs: it loads or trains what it needs, or says what it lacks, before a map is trained.

    Returns:
        What else it raised, for people, or an empty string: a function of the user's need not expect such a question.

    Raises:
        InvdesignError: what it needs is not there.
    """
    try:
        oracle([])
    except InvdesignError:
        raise
    except Exception as error:  # told, not judged: it may be nothing but the empty list
        return f"the oracle, asked about no designs, raised {type(error).__name__}: {error}"
    return ""


def _joined(oracle: Any, where: validation.Where) -> Any:
    """One oracle as it is; several by name as one that puts their columns side by side, in the order given."""
    if not isinstance(oracle, dict) or "_target_" in oracle:
        return oracle
    named = {key: part for key, part in oracle.items() if part is not None}
    if not named:
        raise InvdesignError(
            f"{where(('oracle',))}: a campaign needs an oracle; add oracle=molecules/qed, or "
            "oracle=[molecules/qed,molecules/sa]"
        )
    for key, part in named.items():
        if not isinstance(part, dict) or "_target_" not in part:
            raise InvdesignError(
                f"{where(('oracle', key))}: oracle.{key} names no function; choose it with oracle={key}, or give its "
                "_target_"
            )
    whole = [validation.completed(part, where, ("oracle", key)) for key, part in named.items()]
    return whole[0] if len(whole) == 1 else {"_target_": SEVERAL, "_partial_": True, "oracles": whole}


def _is_said(key: str, value: Any) -> bool:
    """Whether a part is chosen: null is a choice where the campaign takes None, and elsewhere leaves the default."""
    return value is not None or any(f.name == key and "None" in str(f.type) for f in fields(targets.resolve(CAMPAIGN)))


def _functions(node: Any, where: validation.Where, keys: tuple[str, ...] = ()) -> Any:
    """`function: module:name` is a bound `_target_` in other words."""
    if isinstance(node, list):
        return [_functions(value, where, (*keys, str(i))) for i, value in enumerate(node)]
    if not isinstance(node, dict):
        return node
    node = {key: _functions(value, where, (*keys, str(key))) for key, value in node.items()}
    if "function" not in node or "_target_" in node:
        return node
    function = node.pop("function")
    if not isinstance(function, str) or function.count(":") != 1:
        raise InvdesignError(
            f"{where((*keys, 'function'))}: function {function!r}: expected module:name, e.g. my_module:score"
        )
    return {"_target_": function.replace(":", "."), "_partial_": True, **node}
