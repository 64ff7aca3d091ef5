"""Room of VAEs: from a fitted domain to an untrained model of the right size."""

from __future__ import annotations

from typing import Any

from invdesign.core import Domain, InvdesignError
from invdesign.vae.models.aligned import AlignedVAE
from invdesign.vae.models.causal import Kind
from invdesign.vae.models.sequence import SequenceVAE


def sequence_vae(
    domain: Domain[Any, Any],
    *,
    d: int = 64,
    encoder: Kind = "window",
    decoder: Kind = "recurrent",
    embedding: int = 128,
    width: int = 256,
    depth: int = 1,
    n_shared: int | None = None,
    n_properties: int = 0,
    token_dropout: float = 0.0,
    input_dropout: float = 0.0,
    beam: int = 1,
) -> SequenceVAE:
    """A token VAE for a domain that spells its designs: SMILES, SELFIES, protein or DNA.

    Args as in `SequenceVAE`; the vocabulary and the length are the domain's.

    Raises:
        InvdesignError: the domain has no vocabulary yet.
    """
    vocabulary = getattr(domain, "vocabulary", None)
    length = getattr(domain, "row_length", None) or getattr(domain, "length", 0)
    if vocabulary is None or not length:
        raise InvdesignError(
            f"domain {domain.name!r} has no vocabulary yet; fit it to a corpus first: domain.fit(designs)"
        )
    return SequenceVAE(
        len(vocabulary),
        length,
        d=d,
        encoder=encoder,
        decoder=decoder,
        embedding=embedding,
        width=width,
        depth=depth,
        n_shared=n_shared,
        n_properties=n_properties,
        token_dropout=token_dropout,
        input_dropout=input_dropout,
        beam=beam,
    )


def aligned_vae(
    domain: Domain[Any, Any],
    *,
    d: int = 64,
    width: int = 256,
    n_filters: int = 6,
    n_properties: int = 0,
    input_dropout: float = 0.0,
) -> AlignedVAE:
    """A VAE for a domain whose designs all have one length: variants of one protein, or an aligned family.

    Args as in `AlignedVAE`; the vocabulary and the length are the domain's.

    Raises:
        InvdesignError: the domain is not fitted, or its designs differ in length.
    """
    vocabulary, length = getattr(domain, "vocabulary", None), getattr(domain, "length", None)
    if vocabulary is None or not isinstance(length, int):
        raise InvdesignError(
            f"domain {domain.name!r} has no vocabulary, or its designs differ in length; fit it to a corpus of one "
            "length (domain.length=fixed), or take the VAE that writes letter by letter (vae=sequences/default)"
        )
    return AlignedVAE(
        len(vocabulary),
        length,
        d=d,
        width=width,
        n_filters=n_filters,
        n_properties=n_properties,
        input_dropout=input_dropout,
    )
