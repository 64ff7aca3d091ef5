"""VAE builders: untrained models whose sizes are those of an encoding."""

from __future__ import annotations

from typing import Any

from invdesign.core import Encoding, InvdesignError
from invdesign.vae.models.aligned import AlignedVAE
from invdesign.vae.models.causal import Kind
from invdesign.vae.models.linear import LinearVAE
from invdesign.vae.models.sequence import SequenceVAE
from invdesign.vae.priors import PriorKind


def sequence_vae(
    encoding: Encoding[Any, Any],
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
    prior: PriorKind = "normal",
) -> SequenceVAE:
    """Return an untrained token VAE for designs written as tokens: SMILES, SELFIES, protein, DNA.

    The arguments are those of `SequenceVAE`; the vocabulary size and the length are the encoding's.

    Raises:
        InvdesignError: The encoding is not one of tokens.
    """
    shape = encoding.shape
    if not shape.n_tokens:
        raise InvdesignError(
            f"sequence_vae: expected an encoding of tokens, got {type(encoding).__name__}. Choose the VAE of the "
            "domain, e.g. vae=crystals/default"
        )
    return SequenceVAE(
        shape.n_tokens,
        shape.length,
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
        prior=prior,
        grammar=shape.grammar,
    )


def aligned_vae(
    encoding: Encoding[Any, Any],
    *,
    d: int = 64,
    width: int = 256,
    n_filters: int = 6,
    n_properties: int = 0,
    input_dropout: float = 0.0,
    prior: PriorKind = "normal",
) -> AlignedVAE:
    """Return an untrained VAE for designs of one length: variants of one protein, or an aligned family.

    The arguments are those of `AlignedVAE`; the vocabulary size and the length are the encoding's.

    Raises:
        InvdesignError: The encoding is not one of tokens, or its designs differ in length.
    """
    shape = encoding.shape
    if not (shape.n_tokens and shape.has_fixed_length):
        raise InvdesignError(
            "aligned_vae: expected an encoding of tokens of one length, got designs that differ in length or are no "
            "tokens. Fit a corpus of one length (domain.length=fixed), or choose vae=sequences/default"
        )
    return AlignedVAE(
        shape.n_tokens,
        shape.length,
        d=d,
        width=width,
        n_filters=n_filters,
        n_properties=n_properties,
        input_dropout=input_dropout,
        prior=prior,
    )


def linear_vae(encoding: Encoding[Any, Any], *, d: int = 64, n_stored: int = 5000) -> LinearVAE:
    """Return a linear model that is not fitted: principal components of the features of designs.

    The arguments are those of `LinearVAE`.
    """
    return LinearVAE(encoding, d=d, n_stored=n_stored)
