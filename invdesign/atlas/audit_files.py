"""Auditors on disk: fitted once for a model, and read from beside it or from the cache."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from invdesign.atlas.audit import Auditor, fit_auditor
from invdesign.atlas.measures import Measures, Reference
from invdesign.atlas.rarity import Rarity
from invdesign.atlas.replaced_parts import restore_detector
from invdesign.core import B, Corpus, D, Domain, InvdesignError, Progress, silent
from invdesign.core.protocols import PartReplacement
from invdesign.latent.prepare import DAMAGE, Pretrained
from invdesign.latent.space import LatentSpace
from invdesign.vae.store import read_tensors, write_tensors
from invdesign.vae.training import Recipe

logger = logging.getLogger(__name__)

AUDIT_FILE = "audit.safetensors"
AUDIT_FORMAT = 2
SCORES = "scores "
"""Prefix of the tensors of the calibration."""
DETECTOR = "detector "
"""Prefix of the tensors of the classifier of replaced parts."""


def write_auditor(auditor: Auditor[D, B], path: Path) -> None:
    """Write an auditor into one safetensors file.

    Raises:
        InvdesignError: The file cannot be written.
    """
    measures = auditor.measures
    rarity, reference = measures.rarity, measures.reference
    tensors: dict[str, Tensor] = {
        "checksums": torch.from_numpy(rarity.checksums),
        "counts": torch.from_numpy(rarity.counts.astype(np.int32)),
        "evidence": torch.from_numpy(auditor.evidence),
        "smallest": torch.from_numpy(auditor.smallest),
        **{SCORES + name: torch.from_numpy(values) for name, values in auditor.calibration.items()},
    }
    meta = {
        "format": AUDIT_FORMAT,
        "model": measures.latent_space.card.get("sha256", ""),
        "n_counted": rarity.n,
        "size_line": list(measures.size_line),
        "usual_nats": auditor.usual_nats,
        "n_independent": auditor.n_independent,
        "is_conditional": measures.latent_space.known_conditions is not None,
        "has_replacement_test": True,
    }
    if measures.detector is not None:
        tensors |= {DETECTOR + name: values for name, values in measures.detector.tensors().items()}
    if reference is not None:
        tensors["reference"] = torch.from_numpy(reference.rows)
        meta |= {"names": list(reference.names), "families": list(reference.families)}
    write_tensors(path, tensors, meta)


def read_auditor(path: Path, latent_space: LatentSpace[D, B]) -> Auditor[D, B]:
    """Return the auditor that `write_auditor` wrote.

    Args:
        path: The file.
        latent_space: The latent space that it was fitted with.

    Raises:
        InvdesignError: The file is missing, damaged, or that of another model or version.
    """
    tensors, meta = read_tensors(path)
    # Files without this entry rated the designs of a conditional model under its default condition.
    is_conditional = latent_space.known_conditions is not None
    is_same_model = meta.get("model") == latent_space.card.get("sha256", "")
    is_same_model &= meta.get("is_conditional", False) == is_conditional
    # Files without this entry were fitted before a classifier of replaced parts was part of an audit.
    is_same_model &= meta.get("has_replacement_test", not isinstance(latent_space.domain, PartReplacement))
    if meta.get("format") != AUDIT_FORMAT or not is_same_model:
        raise InvdesignError(
            f"{path}: expected the audit of this model, got that of another model or version. Remove it"
        )
    rarity = Rarity(tensors["checksums"].numpy(), tensors["counts"].numpy().astype(np.int64), int(meta["n_counted"]))
    reference = None
    if "reference" in tensors:
        reference = Reference(tensors["reference"].numpy(), tuple(meta["names"]), tuple(meta["families"]))
    intercept, slope = meta["size_line"]
    calibration = {
        name.removeprefix(SCORES): values.numpy() for name, values in tensors.items() if name.startswith(SCORES)
    }
    of_detector = {name.removeprefix(DETECTOR): values for name, values in tensors.items() if name.startswith(DETECTOR)}
    detector = restore_detector(of_detector) if of_detector else None
    measures = Measures(latent_space, rarity, (intercept, slope), reference, detector)
    evidence, smallest = tensors["evidence"].numpy(), tensors["smallest"].numpy()
    return Auditor(measures, calibration, evidence, meta["usual_nats"], meta["n_independent"], smallest)


def prepare_auditor(
    domain: Domain[Any, Any],
    corpus: Corpus[Any] | None,
    vae: Recipe | Pretrained,
    latent_space: LatentSpace[Any, Any],
    *,
    cache: Path,
    progress: Progress = silent,
) -> Auditor[Any, Any]:
    """Return the auditor of a latent space: from beside its model, from the cache, or fitted on the corpus.

    Args:
        domain: The kind of designs.
        corpus: What the model was trained on; a model with a stored auditor needs none.
        vae: A recipe, or a trained model.
        latent_space: The latent space.
        cache: Folder of models and auditors.
        progress: Called with `(stage, done, total)`.

    Raises:
        InvdesignError: There is no stored auditor, and no corpus that the model was trained on.
    """
    stored = stored_auditor(domain, vae, latent_space, cache=cache)
    if stored is not None:
        return stored
    if corpus is None:
        raise InvdesignError(
            "audit: expected the corpus that the model was trained on, to compare designs with, got none. Give "
            "corpus=..., or a model with a stored audit (audit --store)"
        )
    auditor = fit_auditor(latent_space, corpus, progress=progress)
    try:
        write_auditor(auditor, _cached(latent_space, cache))
    except InvdesignError as error:
        logger.warning("the audit is not cached: %s", error)
    return auditor


def stored_auditor(
    domain: Domain[Any, Any], vae: Recipe | Pretrained, latent_space: LatentSpace[Any, Any], *, cache: Path
) -> Auditor[Any, Any] | None:
    """Return the auditor from beside a model or from the cache; None where there is none. Nothing is fitted.

    Args:
        domain: The kind of designs.
        vae: A recipe, or a trained model.
        latent_space: The latent space.
        cache: Folder of models and auditors.
    """
    beside = [vae.path(domain.name) / AUDIT_FILE] if isinstance(vae, Pretrained) else []
    for path in (*beside, _cached(latent_space, cache)):
        if path.is_file():
            try:
                return read_auditor(path, latent_space)
            except DAMAGE as error:
                logger.warning("the stored audit cannot be used: %s", error)
    return None


def _cached(latent_space: LatentSpace[Any, Any], cache: Path) -> Path:
    """Return the file of an auditor in the cache; one of another format is neither read nor overwritten."""
    return cache / "audits" / f"{latent_space.card.get('sha256', 'model')[:24]}-{AUDIT_FORMAT}.safetensors"
