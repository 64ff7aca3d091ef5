"""Room of VAEs: from a fitted domain to an untrained model of the right size."""

from __future__ import annotations

from typing import Any

from invdesign.core import Domain, InvdesignError
from invdesign.vae.causal import Kind
from invdesign.vae.sequence import SequenceVAE


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
    beam: int = 1,
) -> SequenceVAE:
    """A token VAE for a domain that spells its designs: SMILES, SELFIES, protein or DNA.

    Args as in `SequenceVAE`; the vocabulary and the length are the domain's.

    Raises:
        InvdesignError: the domain has no vocabulary yet.
    """
    vocabulary, length = getattr(domain, "vocabulary", None), getattr(domain, "length", 0)
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
        beam=beam,
    )
