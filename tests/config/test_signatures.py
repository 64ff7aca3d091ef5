"""Signatures read from source: parameters, defaults, documentation and types, without an import."""

from __future__ import annotations

import inspect
import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path

import pytest

from invdesign.campaign import Campaign
from invdesign.config import compose, targets
from invdesign.config.signatures import Parameter, signature
from invdesign.search import Search, TrustRegion
from invdesign.search.acquisition import ucb

FASTEST = 0.5**2
LETTERS = ("A", "C")
ACQUIRE = partial(ucb, beta=2.0)


def make_regions() -> dict[str, TrustRegion]:
    return {"near": TrustRegion(length=0.4), "far": TrustRegion()}


@dataclass(frozen=True)
class Part:
    """A part with defaults of all kinds."""

    required: int
    """Has no default. A second sentence."""
    speed: float = FASTEST
    limit: float = math.inf
    letters: tuple[str, ...] = LETTERS
    acquire: Callable[..., object] = ACQUIRE
    trust: TrustRegion = field(default_factory=TrustRegion)
    regions: Mapping[str, TrustRegion] = field(default_factory=make_regions)
    place: str | Path | None = None


def run(designs: list[str], n: int, *, scale: float = -1.5, seed: int) -> None:
    """Run.

    Args:
        designs: Given at the call.
        n: Number of designs,
            of which some fail.
        scale: Factor.
        seed: Given at the call.
    """


def test_fields_of_a_record_have_their_types_defaults_and_documentation() -> None:
    found = signature(f"{__name__}.Part")
    assert found is not None and found.is_class and found.doc == "A part with defaults of all kinds."
    assert list(found.parameters) == [f.name for f in fields(Part)]
    required = found.parameters["required"]
    assert required.is_required and required.annotation == "int" and required.summary == "Has no default"


def test_constants_are_shown_by_their_values() -> None:
    found = signature(f"{__name__}.Part")
    assert found is not None
    values = {name: parameter.value for name, parameter in found.parameters.items()}
    assert values["speed"] == 0.25 and values["limit"] == math.inf and values["letters"] == ("A", "C")


def test_default_parts_are_found_behind_constants_and_factories() -> None:
    found = signature(f"{__name__}.Part")
    assert found is not None
    acquire, trust = found.parameters["acquire"].part, found.parameters["trust"].part
    assert acquire is not None and acquire.is_function and dict(acquire.settings) == {"beta": 2.0}
    assert acquire.target == "invdesign.search.acquisition.ucb"
    assert trust is not None and not trust.is_function and trust.target == "invdesign.search.trust_region.TrustRegion"
    regions = dict(found.parameters["regions"].named_parts)
    assert list(regions) == ["near", "far"] and dict(regions["near"].settings) == {"length": 0.4}


def test_types_name_records_and_containers() -> None:
    found = signature(f"{__name__}.Part")
    assert found is not None
    regions, place = found.parameters["regions"], found.parameters["place"]
    assert regions.container == "mapping" and regions.record == "invdesign.search.trust_region.TrustRegion"
    assert place.plain_type == "str | Path | None" and not place.takes_part and not place.record
    assert found.parameters["trust"].plain_type == "TrustRegion"


def test_parameters_of_a_function_take_their_documentation_from_args() -> None:
    found = signature(f"{__name__}.run")
    assert found is not None and not found.is_class
    assert list(found.parameters) == ["designs", "n", "scale", "seed"]
    assert found.parameters["n"].doc == "Number of designs, of which some fail."
    assert found.parameters["scale"].value == -1.5 and found.parameters["seed"].is_required
    assert found.parameters["seed"].is_keyword_only and not found.parameters["n"].is_keyword_only


def test_a_target_without_source_has_no_signature() -> None:
    assert signature("invdesign.search.Missing") is None
    assert signature("no_such_module.name") is None
    assert signature("numpy.array") is None


@pytest.mark.parametrize("kind", [Campaign, Search, TrustRegion, ucb])
def test_names_and_required_parameters_are_those_of_the_running_program(kind: object) -> None:
    found = signature(f"{kind.__module__}.{kind.__name__}")  # type: ignore[attr-defined]
    assert found is not None
    true = inspect.signature(kind).parameters  # type: ignore[arg-type]
    assert list(found.parameters) == list(true)
    assert [p.is_required for p in found.parameters.values()] == [p.default is p.empty for p in true.values()]


def test_every_target_of_the_shipped_files_has_a_signature() -> None:
    named = {
        line.split("_target_:")[1].strip()
        for path in compose.shipped("conf").rglob("*.yaml")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "_target_:" in line
    }
    assert len(named) > 80
    assert [target for target in named if signature(target) is None or targets.kind_of(target) is None] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides", [[], ["search.acquire.bta=3"], ["oracle.guacamol._target_=os.system"]], ids=["right", "key", "target"]
)
def test_checking_a_configuration_imports_no_torch_and_takes_under_two_seconds(overrides: list[str]) -> None:
    code = (
        "import sys, time\n"
        "from invdesign.cli import main\n"
        f"code = main(['run', 'demo', '--show-config', *{overrides!r}])\n"
        "heavy = {'torch', 'botorch', 'gpytorch', 'rdkit', 'pandas', 'pymatgen'} & set(sys.modules)\n"
        "print(code, sorted(heavy), round(time.process_time(), 2), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    code_text, _, rest = done.stderr.strip().splitlines()[-1].partition(" ")
    assert code_text == ("2" if overrides else "0"), done.stderr
    assert rest.startswith("[] "), f"imported {rest}"
    assert float(rest.split()[-1]) < 2


def test_a_summary_ends_neither_in_an_abbreviation_nor_in_code() -> None:
    parameter = Parameter("limits", "dict[str, str]", "{}", doc="Limits, e.g. `{toxicity: <= 3}`. They are kept.")
    assert parameter.summary == "Limits, e.g. `{toxicity: <= 3}`"
