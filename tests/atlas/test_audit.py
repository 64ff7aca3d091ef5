"""Audit of designs against real ones."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from invdesign.atlas import Auditor, audit_files, fit_auditor, simulate_chimeras
from invdesign.atlas.audit import (
    MIN_RANKED,
    add_evidence,
    conformal_p_values,
    count_independent,
    p_values_among_others,
    sidak,
    split_as_trained,
)
from invdesign.atlas.audit_files import prepare_auditor, read_auditor, stored_auditor, write_auditor
from invdesign.atlas.measures import REPLACED
from invdesign.core import Array, Corpus, InvdesignError
from invdesign.domains.crystals import Crystals
from invdesign.domains.crystals.prototypes.ionic import ionic
from invdesign.domains.crystals.site_replacement import replace_elements_at_random
from invdesign.domains.sequences import Sequences
from invdesign.io.corpora import make_corpus
from invdesign.latent.prepare import prepare
from invdesign.latent.semantics import auroc
from invdesign.latent.space import LatentSpace
from invdesign.vae.build import aligned_vae, linear_vae
from invdesign.vae.store import read_tensors, write_tensors
from invdesign.vae.tokens import UNKNOWN
from invdesign.vae.training import Recipe

LENGTH = 160
PARTS = ("likelihood", "surroundings", "two parents")
LETTERS = np.array(list("ACGT"))


def families(n_genera: int = 50, per_genus: int = 8, *, seed: int = 0) -> Corpus[str]:
    """Genera that differ at a third of the positions of one ancestor, and species at two positions more."""
    draw = np.random.default_rng(seed)
    ancestor = draw.integers(0, 4, LENGTH)
    rows, genera = [], []
    for genus in range(n_genera):
        founder = np.where(draw.random(LENGTH) < 0.33, draw.integers(0, 4, LENGTH), ancestor)
        for _ in range(per_genus):
            rows.append(np.where(draw.random(LENGTH) < 0.04, draw.integers(0, 4, LENGTH), founder))
            genera.append(f"genus {genus}")
    texts = dict.fromkeys("".join(LETTERS[row]) for row in rows)
    order = [next(i for i, row in enumerate(rows) if "".join(LETTERS[row]) == text) for text in texts]
    names = tuple(f"strain {i}" for i in order)
    return make_corpus(tuple(texts), names=names, families=tuple(genera[i] for i in order), name="strains")


@pytest.fixture(scope="module")
def corpus() -> Corpus[str]:
    return families()


@pytest.fixture(scope="module")
def latent_space(corpus: Corpus[str], tmp_path_factory: pytest.TempPathFactory) -> LatentSpace[str, object]:
    build = partial(aligned_vae, d=8, width=16, n_filters=2)
    recipe = Recipe(build=build, epochs=4, batch=64, information_epochs=0)
    return prepare(Sequences("dna", length="fixed"), corpus, recipe, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def auditor(latent_space: LatentSpace[str, object], corpus: Corpus[str]) -> Auditor[str, object]:
    return fit_auditor(latent_space, corpus)


def test_chimeras_are_found_named_and_placed(auditor: Auditor[str, object], corpus: Corpus[str]) -> None:
    encoding = auditor.measures.latent_space.encoding
    rows = np.asarray(encoding.encode(corpus.designs))
    chimeras, origins = simulate_chimeras(rows, 40, families=corpus.families, seed=1)
    texts = ["".join(LETTERS[row - UNKNOWN - 1]) for row in chimeras]
    findings = auditor.audit(texts)
    real = auditor.audit(corpus.designs[:100])
    assert auroc([-f.p_value for f in real], [-f.p_value for f in findings]) > 0.95
    named = [f for f in findings if f.cause == "two parents"]
    assert len(named) > 25
    finding, (left, right, _) = next((f, o) for f, o in zip(findings, origins, strict=True) if f in named)
    assert finding.parents is not None and finding.parent_names is not None
    assert finding.parents.mismatches <= 3
    genus_of = dict(zip(corpus.names, corpus.families, strict=True))
    assert [genus_of[name] for name in finding.parent_names[:2]] == [corpus.families[left], corpus.families[right]]
    marked = [i for i, strength in enumerate(finding.strengths) if strength]
    assert tuple(marked) == finding.parents.explained


def test_a_stored_auditor_finds_the_same(
    auditor: Auditor[str, object], latent_space: LatentSpace[str, object], corpus: Corpus[str], tmp_path: Path
) -> None:
    write_auditor(auditor, tmp_path / "audit.safetensors")
    again = read_auditor(tmp_path / "audit.safetensors", latent_space)
    assert np.allclose(again.p_values(corpus.designs[:20]), auditor.p_values(corpus.designs[:20]))


def test_the_cache_keeps_an_auditor_and_passes_over_one_of_another_format(
    auditor: Auditor[str, object],
    latent_space: LatentSpace[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    domain, vae = latent_space.domain, Recipe(build=aligned_vae)
    # As for designs without families, whose auditor ranks no smallest p-values.
    plain = replace(auditor, smallest=np.zeros(0))
    monkeypatch.setattr(audit_files, "fit_auditor", lambda *_, **__: plain)
    corpus: Corpus[str] = Corpus(("ACGT",))
    assert stored_auditor(domain, vae, latent_space, cache=tmp_path) is None
    prepare_auditor(domain, corpus, vae, latent_space, cache=tmp_path)
    kept = stored_auditor(domain, vae, latent_space, cache=tmp_path)
    assert kept is not None and len(kept.smallest) == 0
    monkeypatch.setattr(audit_files, "AUDIT_FORMAT", audit_files.AUDIT_FORMAT + 1)
    assert stored_auditor(domain, vae, latent_space, cache=tmp_path) is None
    assert not caplog.records


def test_a_design_that_the_model_cannot_write_is_as_unlike_as_any(auditor: Auditor[str, object]) -> None:
    finding = auditor.audit(["ACGT"])[0]
    assert finding.problem
    assert finding.p_value == pytest.approx(auditor.p_values(["ACGTN"])[0])
    assert finding.p_values["likelihood"] == 1 / (1 + len(auditor.calibration["likelihood"]))


def test_the_p_value_of_all_parts_is_calibrated_whatever_the_parts_have_in_common(
    auditor: Auditor[str, object],
) -> None:
    draw, shares = np.random.default_rng(3), []
    for _ in range(150):
        shared = draw.normal(size=(2 * MIN_RANKED, 1))
        scores = dict(zip(PARTS, (shared + draw.normal(size=(2 * MIN_RANKED, len(PARTS)))).T, strict=True))
        real = {name: values[:MIN_RANKED] for name, values in scores.items()}
        made = calibrated(auditor, real)
        new = {name: conformal_p_values(np.sort(real[name]), values[MIN_RANKED:]) for name, values in scores.items()}
        shares.append([(made.combine(new, np.full(MIN_RANKED, True)) <= level).mean() for level in (0.01, 0.05)])
    assert np.mean(shares, axis=0) == pytest.approx([0.01, 0.05], rel=0.25)


def test_a_design_that_cannot_be_written_is_flagged_however_usual_its_parts(auditor: Auditor[str, object]) -> None:
    real = dict(zip(PARTS, np.random.default_rng(0).normal(size=(len(PARTS), 500)), strict=True))
    made = replace(calibrated(auditor, real), smallest=np.zeros(0))
    usual = {"likelihood": np.array([0.5]), "surroundings": np.array([0.5])}
    assert made.combine(usual, np.array([True]))[0] > 0.3
    assert made.combine(usual, np.array([False]))[0] == 1 / 501


def calibrated(auditor: Auditor[str, object], scores: dict[str, Array]) -> Auditor[str, object]:
    """Return an auditor that is calibrated on scores of real designs."""
    p_values = {name: p_values_among_others(values) for name, values in scores.items()}
    evidence = add_evidence(p_values, np.full(len(p_values["likelihood"]), True))
    smallest = np.minimum(p_values_among_others(evidence), p_values["two parents"])
    return replace(auditor, evidence=np.sort(evidence), smallest=np.sort(smallest))


def test_a_corpus_that_was_not_trained_on_is_refused(latent_space: LatentSpace[str, object]) -> None:
    with pytest.raises(InvdesignError, match="trained on"):
        fit_auditor(latent_space, families(seed=5))


def test_p_values_of_exchangeable_scores_are_uniform() -> None:
    draw = np.random.default_rng(0)
    p = np.concatenate([conformal_p_values(np.sort(draw.normal(size=199)), draw.normal(size=50)) for _ in range(200)])
    for level in (0.01, 0.05, 0.5):
        assert (p <= level).mean() == pytest.approx(level, rel=0.15)


def test_the_smallest_of_dependent_p_values_are_calibrated() -> None:
    draw = np.random.default_rng(1)
    shared = draw.normal(size=(4000, 1))
    scores = shared + 0.7 * draw.normal(size=(4000, 3))
    p = [conformal_p_values(np.sort(scores[:2000, j]), scores[:, j]) for j in range(3)]
    m = count_independent([values[:2000] for values in p])
    assert 1 < m < 3
    combined = sidak([values[2000:] for values in p], m)
    assert (combined <= 0.05).mean() == pytest.approx(0.05, abs=0.015)


def test_a_replaced_element_of_a_crystal_is_found_and_its_site_named(tmp_path: Path) -> None:
    corpus = ionic(n=500, seed=1)
    recipe = Recipe(build=linear_vae, held_out=80, information_epochs=0)
    latent_space = prepare(Crystals(), corpus, recipe, cache=tmp_path)
    fitted = fit_auditor(latent_space, corpus)
    write_auditor(fitted, tmp_path / "audit.safetensors")
    auditor = read_auditor(tmp_path / "audit.safetensors", latent_space)
    _, held_out = split_as_trained(latent_space, corpus)
    real = [corpus.designs[i] for i in held_out]
    changed = [crystal for crystal, _ in replace_elements_at_random(real, seed=9)]
    usual, odd = auditor.audit(real), auditor.audit(changed)
    assert [f.p_value for f in odd] == [f.p_value for f in fitted.audit(changed)]
    assert auroc([-f.p_value for f in usual], [-f.p_value for f in odd]) > 0.85
    assert auroc([-f.p_values[REPLACED] for f in usual], [-f.p_values[REPLACED] for f in odd]) > 0.8
    pairs = [(f, old) for f, old in zip(odd, real, strict=True) if f.p_value < 0.1]
    found = [(f, old) for f, old in pairs if f.p_values[REPLACED] == min(f.p_values.values())]
    assert all(f.strongest(1) for f, _ in found)
    is_named = [f.strongest(1)[0].split()[0] not in old.counts for f, old in found]
    assert len(is_named) > 10 and np.mean(is_named) > 0.7


def test_an_audit_of_crystals_from_before_the_replaced_parts_is_fitted_again(tmp_path: Path) -> None:
    corpus = ionic(n=300)
    recipe = Recipe(build=linear_vae, held_out=50, information_epochs=0)
    latent_space = prepare(Crystals(), corpus, recipe, cache=tmp_path)
    path = tmp_path / "audit.safetensors"
    write_auditor(fit_auditor(latent_space, corpus), path)
    tensors, meta = read_tensors(path)
    del meta["has_replacement_test"]
    write_tensors(path, tensors, meta)
    with pytest.raises(InvdesignError, match="another model or version"):
        read_auditor(path, latent_space)
