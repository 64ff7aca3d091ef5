"""Every shipped choice of the parts of a search runs two rounds in every domain that it fits.

A few of them in the suite; all with INVDESIGN_CHOICES=1 (some minutes).
"""

from __future__ import annotations

import os
import random
from itertools import product
from pathlib import Path

import pytest

from invdesign import CampaignRun, Resources
from invdesign.config import compose, instantiate

pytestmark = pytest.mark.slow

IS_COMPLETE = bool(os.environ.get("INVDESIGN_CHOICES"))
STRIDE = 1 if IS_COMPLETE else 12
SHORT = ("n_seeds=6", "batch=3", "budget=12", "search.oversample=6", "baseline=false")
DOMAINS = {
    "molecules": ("vae=molecules/zinc250k", "corpus.n=60"),
    "crystals": ("corpus.n=60", "vae.epochs=2", "vae.information_epochs=0"),
    "sequences": ("corpus.n=60", "vae.epochs=2", "vae.information_epochs=0"),
    "profiles": ("corpus.n=240", "vae.epochs=2"),
}
"""Campaigns of seconds."""
GROUPS = (
    "density",
    "deliverables",
    "executor",
    "feasibility",
    "figures",
    "finetune",
    "first_plate",
    "mutations",
    "outcome_transform",
    "screens",
    "search",
    "search/acquire",
    "search/propose",
    "search/trust_region",
    "surrogate",
    "validators",
)
TWO = {"log_nehvi", "hypervolume"}
"""Choices for several objectives."""
ORACLES = {
    "molecules": ("molecules/tpsa", "molecules/logp"),
    "crystals": ("crystals/mass_density", "crystals/volume_per_atom"),
    "sequences": ("sequences/charge", "sequences/gravy"),
    "profiles": ("profiles/evenness", "profiles/log_ratio"),
}
ELSEWHERE = {"slurm_array", "ray", "crystals/relaxed"}
"""Executors that need a cluster or an extra, and a relaxation of minutes; the tests of their modules run them."""
NEEDS = {
    # A tenth of the corpus is held out, of which an audit needs 20.
    "screens=like_real_designs": ("corpus.n=240",),
    "validators=like_real_designs": ("corpus.n=240",),
    "mutations=molecules/scaffold": ("mutations.mutate.scaffold=c1ccccc1",),
    "first_plate=sequences/near_wild_type": (
        "domain.wild_type={_target_: invdesign.domains.sequences.WildType, sequence: GIGKFLHSAKKFGKAFVGEI}",
    ),
    "deliverables=sequences/variants": (
        "domain.wild_type={_target_: invdesign.domains.sequences.WildType, sequence: GIGKFLHSAKKFGKAFVGEI}",
    ),
}
"""What a choice needs from the user."""


OF_DNA = {"screens=sequences/dna", "validators=sequences/dna", "validators=sequences/genes"}
"""Choices for genes, which the built-in peptides are not."""
OF_NETS = "=crystals/frameworks"
"""Choices for zeolites, whose nets the ionic crystals do not have; tests/domains/crystals/zeolites runs them."""


OF_FINGERPRINTS = {("profiles", f"surrogate={choice}") for choice in ("tanimoto_gp", "joint_gp")}
"""Surrogates that refuse negative features, which standardized profiles have."""


WITHOUT_HEAD = {(domain, "first_plate=predicted") for domain in ("crystals", "sequences", "profiles")}
"""Choices that read a property head, which of the models of this test only that of the molecules has."""


def write_genes(path: Path) -> None:
    """Write 60 genes of 100 codons without a stop inside."""
    draw = random.Random(0)
    codons = ["".join(c) for c in product("ACGT", repeat=3) if "".join(c) not in ("TAA", "TAG", "TGA")]
    genes = ["ATG" + "".join(draw.choices(codons, k=98)) + "TAA" for _ in range(60)]
    path.write_text("".join(f">gene{i}\n{gene}\n" for i, gene in enumerate(genes)))


def cases() -> list[tuple[str, str]]:
    """Return pairs of a domain and an override."""
    found = []
    for group in GROUPS:
        for choice in compose.groups()[group]:
            own = [choice.split("/")[0]] if choice.split("/")[0] in DOMAINS else list(DOMAINS)
            found += [(domain, f"{group}={choice}") for domain in own if choice not in ELSEWHERE]
    return [case for case in found if not case[1].endswith(OF_NETS) and case not in OF_FINGERPRINTS | WITHOUT_HEAD]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the models that the runs share."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize(("domain", "override"), cases()[::STRIDE])
def test_a_choice_runs_two_rounds(domain: str, override: str, cache: Path, tmp_path: Path) -> None:
    campaign = tmp_path / "campaign.yaml"
    campaign.write_text(f"defaults: [{{base: {domain}}}, _self_]\nname: choice\n")
    n_objectives = 2 if override.rpartition("=")[2] in TWO else 1
    oracle = f"oracle=[{', '.join(ORACLES[domain][:n_objectives])}]"
    words = [*DOMAINS[domain], oracle, *SHORT, override, *NEEDS.get(override, ())]
    if override in OF_DNA:
        write_genes(tmp_path / "genes.fasta")
        words += ["domain=dna", "corpus=sequences/table", f"corpus.path={tmp_path}/genes.fasta", "corpus.kind=dna"]
        words = [word for word in words if word != "corpus.n=60" and not word.startswith("oracle=")]
        words.append("oracle=sequences/gc_content")
    composed = compose.compose(str(campaign), words)
    parts = instantiate.build(composed.values, lambda keys: ".".join(keys), name="choice", allowed=(), folders=[])
    resources = Resources(cache=cache, executor=parts.executor)
    with CampaignRun.open(tmp_path / "run", parts.campaign, resources=resources) as run:
        status = run.run()
        run.export()
    assert status.round >= 2 and status.n_calls <= 12
    assert status.n_measured > 6


def test_the_cases_cover_every_group_of_a_search() -> None:
    left = {"base", "corpus", "domain", "oracle", "seeds", "vae", "vendor"}
    groups = {group for group in compose.groups() if group.split("/")[0] not in left}
    assert {group.split("/")[0] for group in groups} == {group.split("/")[0] for group in GROUPS}
