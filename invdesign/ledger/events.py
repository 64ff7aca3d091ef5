"""Events of a campaign as JSON, exactly: latents as base64 of little-endian float64."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
import torch
from torch import Tensor

from invdesign.campaign.state import (
    BatchSelected,
    Event,
    OutcomeRecorded,
    Region,
    Retrained,
    RoundEnded,
    RoundRecord,
)
from invdesign.core import Candidate, Check, D, DesignSpace, Outcome
from invdesign.io.json_values import from_plain, to_plain


@dataclass(frozen=True, eq=False)
class Recorded(Generic[D]):
    """An event with the time at which it was recorded."""

    event: Event
    """The event."""
    at: str
    """Time in UTC."""


def event_to_json(domain: DesignSpace[Any], event: Event) -> tuple[str, str]:
    """Return kind and JSON of an event."""
    match event:
        case BatchSelected(candidates, record):
            content: dict[str, Any] = {
                "candidates": [candidate_to_json(domain, c) for c in candidates],
                "record": to_plain(record),
            }
            return "batch", json.dumps(content)
        case OutcomeRecorded():
            substitute = event.substitute
            content = {
                "key": event.key,
                "outcome": to_plain(event.outcome),
                "kind": event.kind,
                "note": event.note,
                "substitute": None if substitute is None else candidate_to_json(domain, substitute),
            }
            return "outcome", json.dumps(content)
        case RoundEnded(regions, record):
            return "round_end", json.dumps({"regions": [to_plain(r) for r in regions], "record": to_plain(record)})
        case Retrained(latents, folder):
            rows = {key: [tensor_to_text(z), to_plain([a, b])] for key, (z, a, b) in latents.items()}
            return "retrain", json.dumps({"latents": rows, "folder": folder})


def event_from_json(domain: DesignSpace[Any], kind: str, text: str) -> Event:
    """Return the event that `event_to_json` described.

    Raises:
        ValueError: The kind is unknown.
    """
    content = json.loads(text)
    if kind == "batch":
        candidates = tuple(candidate_from_json(domain, c) for c in content["candidates"])
        return BatchSelected(candidates, from_plain(RoundRecord, content["record"]))
    if kind == "outcome":
        substitute = content["substitute"]
        return OutcomeRecorded(
            content["key"],
            from_plain(Outcome, content["outcome"]),
            content["kind"],
            content["note"],
            None if substitute is None else candidate_from_json(domain, substitute),
        )
    if kind == "round_end":
        regions = tuple(from_plain(Region, region) for region in content["regions"])
        return RoundEnded(regions, from_plain(RoundRecord, content["record"]))
    if kind == "retrain":
        latents = {
            key: (tensor_from_text(z), float(numbers[0]), float(numbers[1]))
            for key, (z, numbers) in content["latents"].items()
        }
        return Retrained(latents, content["folder"])
    raise ValueError(f"expected an event of a known kind, got {kind!r}")


def candidate_to_json(domain: DesignSpace[D], c: Candidate[D]) -> dict[str, Any]:
    """Return a candidate as JSON; its design as the domain's text."""
    numbers = {
        name: to_plain(getattr(c, name)) for name in ("y", "mean", "sd", "acquisition", "log_density", "percentile")
    }
    plain = {name: getattr(c, name) for name in ("key", "round", "origin", "region", "status", "reason", "name")}
    return {
        "design": domain.to_text(c.design),
        "z": tensor_to_text(c.z),
        "parents": list(c.parents),
        "checks": [[k.name, bool(k.passed), k.detail] for k in c.checks],
        "error": to_plain(c.error),
        "bound": list(c.bound),
        **plain,
        **numbers,
    }


def candidate_from_json(domain: DesignSpace[D], content: Mapping[str, Any]) -> Candidate[D]:
    """Return the candidate that `candidate_to_json` described."""
    return Candidate(
        design=domain.from_text(content["design"]),
        key=content["key"],
        z=tensor_from_text(content["z"]),
        round=content["round"],
        origin=content["origin"],
        parents=tuple(content["parents"]),
        region=content["region"],
        y=_floats(content["y"]),
        mean=_floats(content["mean"]),
        sd=_floats(content["sd"]),
        acquisition=float(content["acquisition"]),
        log_density=float(content["log_density"]),
        percentile=float(content["percentile"]),
        status=content["status"],
        reason=content["reason"],
        checks=tuple(Check(name, passed, detail) for name, passed, detail in content["checks"]),
        name=content.get("name", ""),
        error=_floats(content.get("error", [])),
        bound=tuple(content.get("bound", [])),
    )


def tensor_to_text(z: Tensor) -> str:
    """Return a vector of float64 as base64 text."""
    return base64.b64encode(z.detach().cpu().numpy().astype("<f8").tobytes()).decode("ascii")


def tensor_from_text(text: str) -> Tensor:
    """Return the vector that `tensor_to_text` described."""
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), dtype="<f8").astype(np.float64))


def _floats(values: list[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
