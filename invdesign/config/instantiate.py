"""From a composed configuration to a campaign: refused where it is unsafe, validated, then instantiated."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from invdesign.config import targets, validation
from invdesign.config.measured_objectives import check_names
from invdesign.config.parts import name_parts
from invdesign.config.signatures import Parameter, Signature, signature
from invdesign.core.errors import InvdesignError

CAMPAIGN = "invdesign.campaign.definition.Campaign"
RECORDS = ("task", "seeding", "surrogates", "filters", "limits", "finetuning", "output")
"""Records of a campaign whose fields are keys of the configuration's top level."""
LABORATORY = "invdesign.execution.unavailable.laboratory"
COMBINE_ORACLES = "invdesign.domains.combined_oracle.combine_oracles"
PLAIN = ("int", "float", "str", "bool")
"""Types of plain settings of the top level, in contrast to parts. Null is not a valid value of such a setting."""
BESIDE = ("executor", "vendor")
"""Keys of the top level that are no part of a campaign: where oracles run, and what deliverables refer to."""


@dataclass(frozen=True)
class Parts:
    """What a configuration makes."""

    campaign: Any
    """The campaign."""
    executor: Any
    """Opens the place where its oracle runs."""


@cache
def root_signature() -> Signature:
    """Return the keys of the top level of a configuration: the fields of a campaign and of its records."""
    campaign = signature(CAMPAIGN)
    assert campaign is not None
    parameters: dict[str, Parameter] = {}
    for name, parameter in campaign.parameters.items():
        record = signature(parameter.record) if name in RECORDS else None
        parameters.update(record.parameters if record else {name: parameter})
    executor = Parameter("executor", "MakeExecutor", None, "Where the oracle runs.", takes_part=True)
    vendor = Parameter("vendor", "Vendor", "None", "Limits of DNA synthesis.", takes_part=True)
    return Signature("campaign", campaign.doc, {**parameters, "executor": executor, "vendor": vendor})


def check(
    values: Mapping[str, Any], where: validation.Where, *, allowed: Sequence[str] = (), folders: Sequence[Path] = ()
) -> dict[str, Any]:
    """Return a configuration with every target and default part written out; nothing that it names is imported.

    Args:
        values: Composed and plain.
        where: Returns for people where a key was set.
        allowed: Modules of the user that targets may name.
        folders: Where those modules are looked for.

    Raises:
        InvdesignError: An unsafe target, an unknown key, a missing one, or a wrong type.
    """
    if allowed:
        sys.path += [str(folder) for folder in folders if str(folder) not in sys.path]
    named = refuse(values, where, allowed=allowed)
    root = root_signature()
    for key in named:
        if key not in root.parameters:
            raise InvdesignError(
                f"{where((key,))}: a campaign has no setting {key!r}{validation.nearest(key, root.parameters)}"
            )
    if "oracle" in named:
        named["oracle"] = _combine(named.get("oracle"), _measured(named), where)
    validation.check_ranges(root, named, where, ())
    for key, value in named.items():
        if value is None and root.parameters[key].plain_type in PLAIN:
            part(value, where, (key,), root.parameters[key])
    chosen = {key: value for key, value in named.items() if _is_chosen(root.parameters[key], value)}
    if chosen.get("screens") is None:
        # The presets state the screens of their domain: a configuration without any has none.
        chosen["screens"] = []
    if is_laboratory(named) and "objectives" not in chosen:
        raise InvdesignError(
            f"{where(('oracle',))}: expected the objectives that the laboratory measures, got none. Name them, e.g. "
            "objectives.affinity.goal=maximize objectives.affinity.unit=nM"
        )
    for key in ("domain", "vae", "oracle", "objectives"):
        if key == "oracle" and key not in chosen:
            raise InvdesignError(
                "campaign: expected an oracle, which measures designs, got none. Choose one (oracle=..., see invdesign "
                "options oracle), or your own with oracle.NAME.function=module:function --allow module. Where a "
                "laboratory measures, choose oracle=laboratory and start with: invdesign begin CAMPAIGN"
            )
        if key not in chosen:
            raise InvdesignError(f"campaign: expected {key}, got none. Choose one, e.g. {key}=... or base=molecules")
    return {key: part(value, where, (key,), root.parameters[key]) for key, value in chosen.items()}


def is_laboratory(checked: Mapping[str, Any]) -> bool:
    """Return whether a laboratory measures the designs of a checked configuration."""
    oracle = checked.get("oracle")
    return isinstance(oracle, Mapping) and oracle.get("_target_") == LABORATORY


def refuse(values: Mapping[str, Any], where: validation.Where, *, allowed: Sequence[str] = ()) -> dict[str, Any]:
    """Return a configuration whose parts all have a target that may be used.

    Raises:
        InvdesignError: A target is not allowed; the message says where it was set.
    """
    named = name_parts(dict(values), where)
    for keys, node in targets.walk(named):
        problem = targets.problem(node, allowed=allowed)
        if problem:
            raise InvdesignError(f"{where((*keys, '_target_'))}: {'.'.join(keys) or 'configuration'}: {problem}")
        for key, value in node.items():
            if isinstance(value, str) and "${" in value:
                raise InvdesignError(f"{where((*keys, key))}: {key}: {value!r} is still a reference. Write the value")
    return named


def part(node: Any, where: validation.Where, keys: tuple[str, ...], parameter: Parameter | None = None) -> Any:
    """Return one value of the top level, validated and written out."""
    if isinstance(node, dict) and parameter is None:
        return validation.complete(node, where, keys)
    return validation.value(node, parameter, where, keys)


def build(
    values: Mapping[str, Any],
    where: validation.Where,
    *,
    name: str,
    allowed: Sequence[str] = (),
    folders: Sequence[Path] = (),
) -> Parts:
    """Check a configuration and instantiate it.

    Args:
        values: Composed and plain.
        where: Returns for people where a key was set.
        name: Name of the campaign, where the configuration gives none.
        allowed: Modules of the user that targets may name.
        folders: Where those modules are looked for.

    Raises:
        InvdesignError: The configuration is refused, or a part refuses its settings.
    """
    checked = resolve_paths(check(values, where, allowed=allowed, folders=folders), where, folders)
    made = {key: instantiate(value) for key, value in checked.items() if key != "vendor"}
    executor = made.pop("executor", None)
    if executor is None:
        executor = getattr(importlib.import_module("invdesign.execution.in_process"), "InProcess")  # noqa: B009 (typed lazily)
    condition = getattr(made["vae"], "condition", ())
    corpus = made.get("corpus")
    if condition and corpus is not None and "labels" not in getattr(corpus, "keywords", {}):
        made["corpus"] = bind(corpus, {"labels": tuple(condition)})
    campaign = make_campaign({"name": name, **made})
    finetune = campaign.finetuning.finetune
    if finetune is not None and "fit_density" not in getattr(finetune, "keywords", {}):
        bound = bind(finetune, {"fit_density": campaign.density})
        campaign = replace(campaign, finetuning=replace(campaign.finetuning, finetune=bound))
    return Parts(campaign, executor)


def resolve_paths(node: Any, where: validation.Where, folders: Sequence[Path], keys: tuple[str, ...] = ()) -> Any:
    """Return a completed configuration whose relative paths lie beside the file that names them, where they exist.

    Otherwise they are looked for in the given folders. Those of the command line are relative to the current folder.
    """
    if isinstance(node, list | tuple):
        return type(node)(resolve_paths(item, where, folders, (*keys, str(i))) for i, item in enumerate(node))
    if not isinstance(node, dict):
        return node
    known = signature(node["_target_"]) if "_target_" in node else None
    done = {}
    for key, value in node.items():
        parameter = known.parameters.get(key) if known else None
        is_path = parameter is not None and "Path" in parameter.plain_type and isinstance(value, str | list | tuple)
        place = (*keys, str(key))
        done[key] = _beside(value, where(place), folders) if is_path else resolve_paths(value, where, folders, place)
    return done


def _beside(path: Any, origin: str, folders: Sequence[Path]) -> Any:
    """Return a path (or a list of them) where it exists beside its origin `file:line` or in one of the folders."""
    if isinstance(path, list | tuple):
        return type(path)(_beside(item, origin, folders) for item in path)
    if not isinstance(path, str) or not path or Path(path).is_absolute() or origin.startswith("command line"):
        return path
    file = origin.rpartition(":")[0]
    places = [Path(file).parent] if file.endswith(".yaml") else []
    return next((str(place / path) for place in (*places, *folders) if (place / path).exists()), path)


def make_campaign(settings: Mapping[str, Any]) -> Any:
    """Return a campaign from the settings of the top level, which are the fields of its records."""
    definition = importlib.import_module("invdesign.campaign.definition")
    left = dict(settings)
    records = {}
    known = signature(CAMPAIGN)
    assert known is not None
    for name in RECORDS:
        record = signature(known.parameters[name].record)
        assert record is not None
        own = {key: left.pop(key) for key in record.parameters if key in left}
        records[name] = getattr(definition, record.target.rpartition(".")[2])(**own)
    return definition.Campaign(**left, **records)


def instantiate(node: Any) -> Any:
    """Return what a completed node describes: classes are made, functions bound, lists and mappings kept.

    Hydra's own `instantiate` wraps what it binds; a plain partial also travels to other processes.

    Raises:
        InvdesignError: A part refuses its settings.
    """
    if isinstance(node, list | tuple):
        return type(node)(instantiate(value) for value in node)
    if not isinstance(node, dict):
        return node
    settings = {key: instantiate(value) for key, value in node.items() if key not in targets.META}
    if "_target_" not in node:
        return settings
    function = targets.resolve(node["_target_"])
    if node.get("_partial_"):
        return partial(function, **settings) if settings else function
    targets.check_called(node["_target_"], function)
    try:
        return function(**settings)
    except (TypeError, ValueError, AttributeError, KeyError, ArithmeticError) as error:
        raise InvdesignError(f"configuration: {node['_target_']} refuses its settings: {error}") from error


def bind(function: Any, options: Mapping[str, Any]) -> Any:
    """Return a function with those of the options bound that it takes."""
    import inspect

    known = inspect.signature(getattr(function, "func", function)).parameters
    return partial(function, **{key: value for key, value in options.items() if key in known})


def _measured(named: Mapping[str, Any]) -> Any:
    """Return the settings of the objectives, then of constrained properties that are none of them."""
    objectives, constraints = named.get("objectives"), named.get("constraints")
    if not isinstance(objectives, Mapping) or not isinstance(constraints, Mapping):
        return objectives
    return {**objectives, **{str(name): {} for name in constraints if name not in objectives}}


def _combine(oracle: Any, objectives: Any, where: validation.Where) -> Any:
    """Return one oracle as it is; several by name as one that returns their columns in the order given.

    Raises:
        InvdesignError: There is none, one names no function, or their names are not those of the objectives.
    """
    if not isinstance(oracle, dict) or "_target_" in oracle:
        return oracle
    named = {key: part for key, part in oracle.items() if part is not None}
    if not named:
        raise InvdesignError(
            f"{where(('oracle',))}: expected at least one oracle, got none. Add oracle=molecules/qed, or "
            "oracle=[molecules/qed,molecules/sa]"
        )
    for key, node in named.items():
        if not isinstance(node, dict) or "_target_" not in node:
            raise InvdesignError(
                f"{where(('oracle', key))}: oracle.{key} names no function. Choose one with oracle=<domain>/{key}, or "
                "add function: module:name"
            )
    check_names(named, objectives, where)
    whole = [validation.complete(node, where, ("oracle", key)) for key, node in named.items()]
    others = [key for key, node in zip(named, whole, strict=True) if node["_target_"] != LABORATORY]
    if 0 < len(others) < len(whole):
        raise InvdesignError(
            f"{where(('oracle',))}: expected the laboratory alone, got it beside {', '.join(others)}. Leave the "
            "others out, and tell their values with those of the laboratory"
        )
    return whole[0] if len(whole) == 1 else {"_target_": COMBINE_ORACLES, "_partial_": True, "oracles": whole}


def _is_chosen(parameter: Parameter, value: Any) -> bool:
    """Return whether a value is a choice: null is one where the type allows None, and elsewhere keeps the default."""
    return value is not None or "None" in parameter.annotation
