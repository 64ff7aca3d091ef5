"""Every choice of every group of conf/ satisfies the contract of its kind; a YAML file is all that registers it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from known_crystals import crystal, structure
from paths import SHARED

from invdesign import testing
from invdesign.campaign.oracle_calls import measure
from invdesign.config import compose, instantiate, targets
from invdesign.core import InvdesignError, OracleSetup
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.oracles import tpsa
from invdesign.domains.profiles.corpus import programs

pytestmark = pytest.mark.slow

DESIGNS = ["CCO", "c1ccccc1O", "CC(=O)Nc1ccc(O)cc1", "CN1CCC[C@H]1c1cccnc1", "O=C(O)c1ccccc1OC(C)=O"]
CRYSTALS = ("NaCl", "SrTiO3", "TiO2", "Cu")
# DNA; its letters are letters of proteins too.
PROTEINS = ["MKTAYIAKQRQISFVKSHFS", "MKTAYIAKQRQISFVKSHFA", "LLGDFFRKSKEKIGKEFKRI", "GIGKFLHSAKKFGKAFVGEI"]
SEQUENCES = ["ACGTACGGATCTTGCAAGTC", "ACGTACGGATCTTGCAAGTA", "TTGACAGCTAGCTCAGTCCT", "GGATCCAATGCGTAACCGTA"]
SAMPLES = programs(20).designs
WILD_TYPE = f"{{_target_: invdesign.domains.sequences.WildType, sequence: {SEQUENCES[0]}, first: 5}}"
OF_DNA = tuple(f"sequences/{name}" for name in ("dna", "genes", "dna_gp", "gc_content", "melting_temperature", "six6"))
EXTRAS = {
    "invdesign.domains.crystals.oracles.mlip.": "chgnet",
    "invdesign.domains.crystals.output.deliverables.write_relaxed_cells": "chgnet",
    "invdesign.domains.crystals.zeolites.pores.": "pyzeo",
}
NEEDS = {
    ("oracle", "molecules/similarity"): ["oracle.similarity.reference=CCO"],
    ("oracle", "molecules/smarts"): ["oracle.smarts.smarts='[OX2H]'"],
    ("oracle", "molecules/guacamol"): ["oracle.guacamol.task=osimertinib_mpo"],
    ("executor", "concurrent"): ["executor.make.function=concurrent.futures:ThreadPoolExecutor"],
    ("oracle", "command"): [f"oracle.command.command=['{sys.executable}',count.py]"],
    ("oracle", "cascade"): [
        "oracle.cascade.first.function=qed",
        "oracle.cascade.min=0.5",
        "oracle.cascade.then.function=tpsa",
    ],
    ("oracle", "crystals/ase"): ["oracle.ase.calculator=lj"],
    ("oracle", "crystals/hull"): ["oracle.hull.references=phases.csv"],
    ("oracle", "crystals/near_hull"): ["corpus.n=20"],
    ("oracle", "crystals/formation_energy"): ["oracle.formation_energy.references=phases.csv"],
    ("oracle", "crystals/table"): ["oracle.table.path=crystals.csv", "oracle.table.column=y"],
    ("oracle", "sequences/table"): ["oracle.table.path=sequences.csv", "oracle.table.column=y"],
    ("oracle", "sequences/regression"): [
        "oracle.regression.path=mutants.csv",
        "oracle.regression.column=y",
        "oracle.regression.cache=regressions",
    ],
    ("oracle", "sequences/gb1"): ["oracle.gb1.path=variants.csv"],
    ("oracle", "sequences/six6"): ["oracle.six6.path=strands.txt"],
    ("oracle", "sequences/naturalness"): [
        f"domain.wild_type={WILD_TYPE}",
        "corpus=sequences/library",
        "corpus.wild_type=${domain.wild_type}",
        "corpus.n=50",
    ],
    ("screens", "crystals/typical_volume"): ["corpus.n=60"],
    ("screens", "like_real_designs"): ["vae=molecules/zinc250k"],
    ("validators", "like_real_designs"): ["vae=molecules/zinc250k"],
    ("deliverables", "sequences/variants"): [f"domain.wild_type={WILD_TYPE}"],
}
GROUPS = compose.groups()
COUNT = """import csv
rows = list(csv.DictReader(open("designs.csv")))
with open("values.csv", "w") as file:
    file.write("id,n\\n" + "".join(f"{row['id']},{len(row['design'])}\\n" for row in rows))
"""


def choices(group: str) -> list[str]:
    return GROUPS.get(group, [])


@cache
def rocks() -> tuple[Any, ...]:
    return tuple(crystal(name) for name in CRYSTALS)


def targets_of(node: Any) -> list[str]:
    """Return every target of a part of a configuration."""
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    here = [node["_target_"]] if isinstance(node, dict) and "_target_" in node else []
    return [*here, *(target for part in inner for target in targets_of(part))]


def designs_for(node: Any) -> Sequence[Any]:
    """Return designs of the domain that a part belongs to; skip where it needs an extra that is not installed."""
    named = targets_of(node)
    for start, package in EXTRAS.items():
        if any(target.startswith(start) for target in named) and importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    if any(target.startswith("invdesign.domains.sequences.") for target in named):
        return SEQUENCES
    if any(target.startswith("invdesign.domains.profiles.") for target in named):
        return SAMPLES
    return rocks() if any(target.startswith("invdesign.domains.crystals.") for target in named) else DESIGNS


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write what the choices of NEEDS read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    elements = ("Na", "Cl", "Sr", "Ti", "O", "Cu")
    Path("count.py").write_text(COUNT)
    Path("phases.csv").write_text("formula,energy_per_atom\n" + "".join(f"{e},-2\n" for e in elements))
    rows = [f'"{structure(name).to(fmt="cif")}",{i}\n' for i, name in enumerate(CRYSTALS[:-1])]
    Path("crystals.csv").write_text("cif,y\n" + "".join(rows))
    lines = [f"{design},{i}\n" for i, design in enumerate(SEQUENCES[:-1])]
    Path("sequences.csv").write_text("sequence,y\n" + "".join(lines))
    mutants = [f"{PROTEINS[0][:i]}{a}{PROTEINS[0][i + 1 :]},{i}\n" for i in range(20) for a in "DE"]
    Path("mutants.csv").write_text("sequence,y\n" + "".join(mutants))
    Path("variants.csv").write_text("variant,fitness\n" + "".join(lines))
    Path("strands.txt").write_text("8-mer\t8-mer\tE-score\n" + "".join(f"{d}\t{d}\t0.1\n" for d in SEQUENCES[:-1]))


def domain_of(choice: str) -> str:
    """Return the preset of a choice: `crystals/ewald` belongs to crystals, `auto` to every domain."""
    head, slash, _ = choice.partition("/")
    return head if slash else "molecules"


def values(group: str, choice: str, *more: str) -> tuple[dict[str, Any], Any]:
    """Return what a choice sets and where, if it is safe; sequences may refer to the settings of their domain."""
    overrides = [f"base={domain_of(choice)}", f"{group}={choice}", *NEEDS.get((group, choice), []), *more]
    if group != "domain" and domain_of(choice) == "sequences":
        overrides.insert(1, "domain=dna" if choice in OF_DNA else "domain=protein")
    composed = compose.compose(None, overrides)
    top = group.split("/")[0]
    allowed = ["my_oracle", "concurrent.futures", *targets.GUARDED]
    chosen = {key: composed.values[key] for key in (top, "objectives", "domain")}
    return instantiate.refuse(chosen, composed.where, allowed=allowed), composed.where


def make(node: Any, where: Any, keys: tuple[str, ...], parameter: Any = None) -> Any:
    """Return what a value of a configuration describes."""
    return instantiate.instantiate(instantiate.part(node, where, keys, parameter))


def part(group: str, choice: str, *more: str) -> Any:
    """Return the part that a choice describes."""
    node, where = values(group, choice, *more)
    return make(node[group], where, (group,), instantiate.root_signature().parameters[group])


@pytest.mark.parametrize(
    "choice", [c for c in choices("oracle") if c not in ("callable", "laboratory", "molecules/table")]
)
@pytest.mark.usefixtures("files")
def test_every_oracle_keeps_its_contract_and_names_its_objective(choice: str) -> None:
    node, where = values("oracle", choice)
    assert list(node["oracle"]) == list(node["objectives"]) == [choice.split("/")[-1]]
    designs = PROTEINS if choice == "sequences/regression" else designs_for(node)
    name = choice.split("/")[-1]
    testing.check_oracle(make(node["oracle"][name], where, ("oracle", name)), designs, m=1)


def test_a_table_is_an_oracle(tmp_path: Path) -> None:
    file = tmp_path / "measured.csv"
    file.write_text("smiles,y\n" + "".join(f"{smiles},{i}\n" for i, smiles in enumerate(DESIGNS[:-1])))
    node, where = values("oracle", "molecules/table", f"oracle.table.path={file}", "oracle.table.columns=[y]")
    testing.check_oracle(make(node["oracle"]["table"], where, ("oracle", "table")), DESIGNS, m=1)


def test_a_function_of_the_users_is_an_oracle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_oracle.py").write_text("def score(designs, *, k=1):\n    return [k * len(d) for d in designs]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    node, where = values("oracle", "callable", "oracle.score.function=my_oracle:score", "oracle.score.k=2")
    oracle = make(node["oracle"]["score"], where, ("oracle", "score"))
    testing.check_oracle(oracle, DESIGNS, m=1)
    assert list(oracle(["CC"])) == [4]


@pytest.mark.parametrize(("group", "choice"), [(g, c) for g in ("screens", "validators") for c in choices(g)])
def test_every_validator_keeps_its_contract(group: str, choice: str) -> None:
    node, where = values(group, choice)
    designs = designs_for(node[group])
    for name, validator in node[group].items():
        testing.check_validator(make(validator, where, (group, name)), designs)


@pytest.mark.parametrize(
    ("group", "choice", "name"),
    [(g, c, n) for g in ("deliverables", "figures") for c in choices(g) for n in values(g, c)[0][g]],
)
def test_every_deliverable_and_every_figure_keeps_its_contract(group: str, choice: str, name: str) -> None:
    node, where = values(group, choice)
    designs = designs_for(node[group])
    check = testing.check_deliver if group == "deliverables" else testing.check_illustrate
    check(make(node[group][name], where, (group, name)), designs)


def test_a_function_of_the_users_is_a_deliverable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_plates.py").write_text(
        "def plate(candidates, folder, *, wells=96):\n"
        "    (folder / 'plate.csv').write_text('\\n'.join(c.design for c in candidates[:wells]))\n"
        "    return ['plate.csv']\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    composed = compose.compose(None, ["deliverables.plates.function=my_plates:plate", "deliverables.plates.wells=4"])
    with pytest.raises(InvdesignError, match="--allow my_plates"):
        instantiate.refuse(composed.values, composed.where)
    made = instantiate.build(composed.values, composed.where, name="mine", allowed=["my_plates"]).campaign
    testing.check_deliver(made.output.deliverables["plates"], DESIGNS)


@pytest.mark.parametrize("choice", choices("search"))
def test_every_search_keeps_its_contract(choice: str) -> None:
    testing.check_search(part("search", choice), m=2 if choice == "hypervolume" else 1)


@pytest.mark.parametrize("choice", [c for c in choices("search/acquire") if c != "none"])
def test_every_acquisition_function_keeps_its_contract(choice: str) -> None:
    node, where = values("search/acquire", choice)
    testing.check_acquire(
        make(node["search"]["acquire"], where, ("search", "acquire")), m=2 if "nehvi" in choice else 1
    )


@pytest.mark.parametrize("choice", choices("search/propose"))
def test_every_choice_of_proposers_keeps_its_contract(choice: str) -> None:
    search = instantiate.root_signature().parameters["search"]
    node, where = values("search/propose", choice)
    testing.check_search(make(node["search"], where, ("search",), search))


@pytest.mark.parametrize("choice", choices("density"))
def test_every_density_keeps_its_contract(choice: str) -> None:
    testing.check_density(part("density", choice))


@pytest.mark.parametrize("choice", choices("surrogate"))
def test_every_surrogate_keeps_its_contract(choice: str) -> None:
    # Surrogates of letters read whole sites: 2 of 20 letters, or 10 of 4.
    of_letters = ("sequences/protein_gp", "sequences/dna_gp", "sequences/rna_gp", "sequences/motif_gp")
    f = 0 if choice in ("exact_gp", "sparse_gp", "deep_kernel_gp") else 40 if choice in of_letters else 5
    p = 2 if choice == "molecules/descriptor_gp" else 0
    testing.check_surrogate(part("surrogate", choice), f=f, p=p)


@pytest.mark.parametrize("choice", choices("mutations"))
def test_mutations_return_n_designs_that_depend_on_the_generator_of_torch_alone(choice: str) -> None:
    node, where = values("mutations", choice)
    policy = make(node["mutations"], where, ("mutations",))
    designs, made = designs_for(node["mutations"]), []
    for _ in range(2):
        torch.manual_seed(1)
        made.append(list(policy.mutate(designs, 20, radius=3)))
    assert len(made[0]) == 20 and made[0] == made[1]
    assert all(policy.distance(first, first) == 0 for first in designs)
    assert all(policy.distance(a, b) == policy.distance(b, a) for a in designs for b in made[0])


@pytest.mark.parametrize("choice", choices("outcome_transform"))
def test_every_outcome_transform_and_its_inverse_keep_the_order(choice: str) -> None:
    u = torch.tensor([-1.0, -1.0, 0.5, 0.5, 2.0, 3.0, 10.0], dtype=torch.float64)
    transformed = part("outcome_transform", choice)(u)
    assert transformed.u.shape == u.shape and bool((transformed.u.diff() >= 0).all())
    assert bool((transformed.inverse(transformed.u).diff() >= -1e-9).all())


@pytest.mark.parametrize("choice", choices("feasibility"))
def test_every_feasibility_model_predicts_log_probabilities(choice: str) -> None:
    torch.manual_seed(0)
    X = torch.cat([torch.randn(24, 3), torch.eye(20)[torch.randint(20, (24, 2))].flatten(1)], 1).double()
    values = part("feasibility", choice)(X, X[:, 0] > 0, d=3)(X.view(2, 12, -1))
    assert values.shape == (2, 12) and bool((values <= 1e-9).all())


@pytest.mark.parametrize("choice", choices("domain"))
def test_every_domain_keeps_its_contract(choice: str) -> None:
    node, _ = values("domain", choice)
    domain, designs = part("domain", choice), designs_for(node["domain"])
    own = {"rna": [text.replace("T", "U") for text in SEQUENCES], "protein": PROTEINS}
    texts = own.get(choice, designs)
    is_text = designs is DESIGNS or designs is SEQUENCES
    testing.check_domain(domain, [domain.from_text(text) for text in texts] if is_text else designs)


@pytest.mark.parametrize(
    "choice",
    ["molecules/builtin", "profiles/programs", "sequences/peptides", "sequences/ehrlich", "sequences/ehrlich_mutants"],
)
def test_a_builtin_corpus_keeps_its_contract(choice: str) -> None:
    testing.check_corpus(part("corpus", choice, "corpus.n=50"))


def test_a_library_of_a_wild_type_keeps_the_contract_of_a_corpus() -> None:
    settings = [f"domain.wild_type={WILD_TYPE}", "corpus.wild_type=${domain.wild_type}", "corpus.n=50"]
    testing.check_corpus(part("corpus", "sequences/library", *settings))


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ("sequences/gfp", "gfp_full.csv.gz"),
        ("sequences/aav", "aav.csv.gz"),
        ("sequences/gb1", "gb1_4site.csv.gz"),
        ("sequences/six6", "SIX6_REF_R1_8mers.txt.gz"),
        ("sequences/rrna16s", "rrna16s_aligned.fasta.gz"),
    ],
)
def test_a_measured_set_of_sequences_keeps_its_contract_from_a_given_file(choice: str, name: str) -> None:
    file = SHARED / "sequences" / name
    if not file.is_file():
        pytest.skip("the data folder beside the checkout is not there")
    testing.check_corpus(part("corpus", choice, f"corpus.path={file}", "corpus.max_designs=500"))


def test_a_file_of_sequences_keeps_the_contract_of_a_corpus(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("sequence,y\n" + "".join(f"{design},{i}\n" for i, design in enumerate(PROTEINS)))
    testing.check_corpus(
        part("corpus", "sequences/table", f"corpus.path={file}", "corpus.properties={y: y}", "corpus.theta=0.2")
    )


def test_zinc250k_keeps_its_contract_from_a_given_file(tmp_path: Path) -> None:
    file = SHARED / "molecules" / "zinc250k.smi.gz"
    if not file.is_file():
        pytest.skip("the data folder beside the checkout is not there")
    testing.check_corpus(
        part("corpus", "molecules/zinc250k", f"corpus.path={file}", "corpus.max_designs=50", f"corpus.cache={tmp_path}")
    )


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("group", ["corpus", "seeds"])
def test_a_table_of_crystals_keeps_the_contract_of_a_corpus(group: str) -> None:
    testing.check_corpus(part(group, "crystals/table", f"{group}.path=crystals.csv", f"{group}.properties={{y: y}}"))


def test_molecules_on_disk_keep_the_contract_of_a_corpus(tmp_path: Path) -> None:
    file = tmp_path / "library.smi"
    file.write_text("\n".join(DESIGNS))
    settings = [f"corpus.path={file}", f"corpus.cache={tmp_path}", "corpus.workers=1"]
    testing.check_corpus(part("corpus", "molecules/sharded", *settings))


def test_sequences_on_disk_keep_the_contract_of_a_corpus(tmp_path: Path) -> None:
    file = tmp_path / "library.fasta"
    file.write_text("".join(f">{i}\n{sequence}\n" for i, sequence in enumerate(SEQUENCES)))
    settings = [f"corpus.path={file}", f"corpus.cache={tmp_path}", "corpus.workers=1"]
    testing.check_corpus(part("corpus", "sequences/sharded", "corpus.kind=dna", *settings))


@pytest.mark.parametrize("group", ["corpus", "seeds"])
def test_a_table_of_the_users_keeps_the_contract_of_a_corpus(group: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("smiles,logs\n" + "".join(f"{smiles},{i}\n" for i, smiles in enumerate(DESIGNS)))
    testing.check_corpus(part(group, "molecules/table", f"{group}.path={file}", f"{group}.properties={{logs: logs}}"))


@pytest.mark.parametrize("choice", [c for c in choices("vae") if c != "folder"])
def test_every_vae_keeps_its_contract(choice: str) -> None:
    recipe = part("vae", choice)
    if not hasattr(recipe, "build"):
        pytest.skip("a trained model; the tests of latent/ check it")
    node, _ = values("vae", choice)
    designs = SEQUENCES if domain_of(choice) == "sequences" else designs_for(node["vae"])
    names = {id(DESIGNS): "molecules", id(SEQUENCES): "protein", id(SAMPLES): "profiles"}
    name = names.get(id(designs), "crystals")
    is_aligned = choice in ("sequences/aligned", "sequences/aligned_dna")
    encoding = part("domain", name, *(["domain.length=fixed"] if is_aligned else [])).fit(designs)
    testing.check_vae(recipe.build(encoding), encoding.encode(designs))


@pytest.mark.parametrize("group", ["corpus", "seeds"])
def test_a_table_of_profiles_keeps_the_contract_of_a_corpus(group: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("sample,a,b,y\n" + "".join(f"s{i},{i + 1},{2 * i},{i / 7}\n" for i in range(5)))
    testing.check_corpus(part(group, "profiles/table", f"{group}.path={file}", f"{group}.properties={{y: y}}"))


@pytest.mark.parametrize("choice", choices("executor"))
def test_every_executor_yields_the_outcome_of_every_design(choice: str, tmp_path: Path) -> None:
    setup = OracleSetup(tpsa, 1, Molecules(), tmp_path)
    if choice == "ray":
        pytest.skip("starts a cluster; the tests of execution/ do that once")
    if choice == "slurm_array":
        # It is tested with a stub of the scheduler.
        assert part("executor", choice)(setup).capacity == 1000
        return
    with closing(part("executor", choice)(setup)) as executor:
        outcomes = dict(pair for group in measure(executor, DESIGNS[:2]) for pair in group)
    assert {i: o.y for i, o in outcomes.items()} == {i: (float(y),) for i, y in enumerate(tpsa(DESIGNS[:2]))}
