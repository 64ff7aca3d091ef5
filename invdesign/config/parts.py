"""Short names of shipped parts: a campaign names a screen, an oracle or a proposer without a dotted path."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from invdesign.config.signatures import definition, source_tree
from invdesign.config.validation import Where
from invdesign.core.errors import InvdesignError

DOMAIN_MODULES = {
    "molecules": {
        "checks": ("validators",),
        "oracle": ("oracles", "tasks"),
        "groups": ("groups",),
        "neighbours": ("matched_pairs",),
        "corpus": ("corpus", "sharded"),
        "deliverables": (),
        "figures": (),
    },
    "crystals": {
        "checks": ("validators", "symmetry.matching", "zeolites.silica", "zeolites.corpus", "zeolites.pores"),
        "oracle": ("oracles.computed", "oracles.mlip", "zeolites.pores", "zeolites.adsorption"),
        "groups": ("groups",),
        "corpus": ("io.corpus", "prototypes.ionic", "zeolites.corpus"),
        "deliverables": ("output.deliverables",),
        "figures": ("output.viewing",),
    },
    "sequences": {
        "checks": ("validators", "dna.dna_validators", "naturalness.naturalness"),
        "oracle": (
            "oracles.physics",
            "oracles.ehrlich",
            "oracles.lookup_oracles",
            "oracles.regression_oracle",
            "naturalness.naturalness",
        ),
        "groups": ("groups",),
        "neighbours": ("hamming",),
        "corpus": ("io.corpus", "io.sharded", "io.rrna", "peptides", "oracles.ehrlich"),
        "deliverables": ("output.deliverables",),
        "figures": ("output.figures", "output.logo", "output.mutation_heatmap"),
    },
    "profiles": {
        "checks": (),
        "oracle": ("oracles",),
        "groups": (),
        "corpus": ("corpus",),
        "deliverables": (),
        "figures": (),
    },
}
SHARED_MODULES = {
    "checks": ("domains.shared_validators",),
    "groups": ("domains.shared_groups",),
    "neighbours": ("domains.shared_links",),
    "corpus": ("runs.earlier_run",),
    "propose": ("search.sampling", "search.ascent"),
    "acquire": ("search.acquisition",),
    "surrogate": ("surrogate.models", "surrogate.motifs", "surrogate.sites", "surrogate.smoothing"),
}
KINDS = {
    ("screens",): "checks",
    ("validators",): "checks",
    ("oracle",): "oracle",
    ("corpus",): "corpus",
    ("seeds",): "corpus",
    ("deliverables",): "deliverables",
    ("figures",): "figures",
    ("search", "propose"): "propose",
    ("search", "acquire"): "acquire",
    ("surrogate",): "surrogate",
    ("latent_surrogate",): "surrogate",
    ("batch_diversity", "group"): "groups",
    ("shortlist_diversity", "group"): "groups",
    ("shared_factor",): "groups",
    ("vae", "neighbours"): "neighbours",
    ("transfer", "source"): "corpus",
}
"""Kind of the functions that a key path takes; screens, oracles and so on are named items below it."""
NAMED = ("screens", "validators", "oracle", "deliverables", "figures", "propose")


def name_parts(values: dict[str, Any], where: Where) -> dict[str, Any]:
    """Return a configuration in which every part has its `_target_`.

    A mapping with `function: NAME` names a shipped function of that place, e.g. `screens.brenk.function: alerts`; with
    `function: module:name` one of the user's. A named item without it is the function of its own name, e.g.
    `screens.accessibility: {max: 5}`.

    Raises:
        InvdesignError: A name that no shipped function of that place has.
    """
    domain = _domain_of(values)
    done = {key: _functions(value, where, (key,), domain) for key, value in values.items()}
    for keys, kind in KINDS.items():
        parent: Any = done
        for key in keys[:-1]:
            parent = parent.get(key) if isinstance(parent, dict) else None
        if isinstance(parent, dict) and isinstance(parent.get(keys[-1]), dict) and keys[-1] in NAMED:
            items = parent[keys[-1]]
            if "_target_" not in items:
                parent[keys[-1]] = {
                    name: _named(name, item, where, (*keys, name), kind, domain) for name, item in items.items()
                }
    return done


def functions_of(kind: str, domain: str) -> dict[str, str]:
    """Return the dotted paths of the public functions of a kind, by name."""
    prefix = f"invdesign.domains.{domain}."
    modules = [prefix + m for m in DOMAIN_MODULES.get(domain, {}).get(kind, ())]
    modules += [f"invdesign.{m}" for m in SHARED_MODULES.get(kind, ())]
    found: dict[str, str] = {}
    for module in modules:
        for name in _public(module):
            found.setdefault(name, f"{module}.{name}")
    return found


def _public(module: str) -> Iterator[str]:
    tree = source_tree(module)
    for node in tree.body if tree else []:
        name = getattr(node, "name", "_")
        if not name.startswith("_") and definition(f"{module}.{name}"):
            yield name


def _domain_of(values: Mapping[str, Any]) -> str:
    node = values.get("domain")
    target = str(node.get("_target_", "")) if isinstance(node, dict) else ""
    return next((name for name in DOMAIN_MODULES if f".domains.{name}" in target), "")


def _functions(node: Any, where: Where, keys: tuple[str, ...], domain: str) -> Any:
    """Return a node in which `function: ...` is written as a bound `_target_`."""
    if isinstance(node, list):
        return [_functions(value, where, (*keys, str(i)), domain) for i, value in enumerate(node)]
    if not isinstance(node, dict):
        return node
    node = {key: _functions(value, where, (*keys, str(key)), domain) for key, value in node.items()}
    if "function" not in node or "_target_" in node:
        return node
    function = node.pop("function")
    if isinstance(function, str) and function.count(":") == 1:
        return {"_target_": function.replace(":", "."), "_partial_": True, **node}
    return {"_target_": _path_of(function, where, (*keys, "function"), domain), "_partial_": True, **node}


def _named(name: str, item: Any, where: Where, keys: tuple[str, ...], kind: str, domain: str) -> Any:
    """Return a named item; one without a target is the function of its name, where there is one."""
    if not isinstance(item, dict) or "_target_" in item:
        return item
    target = functions_of(kind, domain).get(name)
    return item if target is None else {"_target_": target, "_partial_": True, **item}


def _path_of(function: Any, where: Where, keys: Sequence[str], domain: str) -> str:
    kind = next((kind for place, kind in KINDS.items() if tuple(keys[: len(place)]) == place), "")
    known = functions_of(kind, domain)
    if isinstance(function, str) and function in known:
        return known[function]
    close = difflib.get_close_matches(str(function), known, n=1)
    hint = (
        f". Did you mean {close[0]!r}?" if close else f". Shipped ones are {', '.join(sorted(known))}" if known else ""
    )
    raise InvdesignError(
        f"{where(keys)}: function {function!r}: expected module:name, e.g. my_module:score, or a shipped function{hint}"
    )
