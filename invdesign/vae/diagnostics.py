"""Room of VAEs: is the map any good? Reconstruction, samples, use of the latents, and plain words about trouble."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from invdesign.core import B, D, Domain, Progress, silent
from invdesign.vae.base import VAE, divergence

ACTIVE = 0.01
PART = 500


@dataclass(frozen=True)
class Diagnosis:
    """What a trained VAE can and cannot do; shares lie between 0 and 1.

    Args:
        n_held_out: designs that it was not trained on.
        reconstruction: share of them that decode, from the mean of their posterior, to exactly themselves.
        token_accuracy: share of their tokens that come back in place; None where designs are not written in tokens.
        n_samples: draws from the standard normal in standardized latents.
        validity: share of draws that decode to a design.
        uniqueness: share of distinct designs among those.
        novelty: share of the distinct ones that the corpus lacks.
        active_units: latents whose posterior mean varies by more than 0.01 over the designs (Burda et al., 2016).
        kl: nats of every latent, averaged over the held-out designs.
        warnings: what is wrong, and what would help.
    """

    n_held_out: int
    reconstruction: float
    token_accuracy: float | None
    n_samples: int
    validity: float
    uniqueness: float
    novelty: float
    active_units: int
    kl: tuple[float, ...]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON."""
        return asdict(self)

    def __str__(self) -> str:
        tokens = "" if self.token_accuracy is None else f" (tokens {self.token_accuracy:.1%})"
        lines = [
            f"exact reconstruction {self.reconstruction:.1%} of {self.n_held_out} held-out designs{tokens}",
            f"prior samples: {self.validity:.1%} valid, {self.uniqueness:.1%} unique, {self.novelty:.1%} novel "
            f"(of {self.n_samples})",
            f"{self.active_units} of {len(self.kl)} latents active, {sum(self.kl):.1f} nats in all",
        ]
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])


def diagnose(
    vae: VAE,
    domain: Domain[D, B],
    held_out: Sequence[D],
    *,
    shift: Tensor,
    scale: Tensor,
    known: Iterable[D] = (),
    n_samples: int = 1000,
    seed: int = 0,
    progress: Progress = silent,
) -> Diagnosis:
    """Measure a trained VAE on designs that it has not seen, and on its own samples.

    Args:
        vae: trained.
        domain: fitted.
        held_out: designs that it was not trained on.
        shift: `d`, mean of the latents of the corpus.
        scale: `d`, their standard deviation.
        known: the corpus, for the novelty of samples.
        n_samples: draws from the prior.
        seed: of the draws.
        progress: called with `(stage, done, total)`.

    References:
        Burda et al., Importance Weighted Autoencoders (active units), arXiv:1509.00519.
    """
    n_exact, n_tokens, n_right, means, kls = 0, 0, 0, [], []
    with torch.no_grad():
        for start in range(0, len(held_out), PART):
            progress("reconstructing held-out designs", start, len(held_out))
            part = held_out[start : start + PART]
            x: Any = domain.to_batch(part)
            posterior = vae.posterior(x)
            means.append(posterior.loc)
            kls.append(divergence(posterior))
            y: Any = vae.generate(posterior.loc)
            decoded = domain.from_batch(y)
            n_exact += sum(b is not None and domain.is_same(a, b) for a, b in zip(part, decoded, strict=True))
            if isinstance(x, Tensor) and not x.is_floating_point():
                width = min(x.shape[1], y.shape[1])
                is_token = x != 0
                n_tokens += int(is_token.sum())
                n_right += int((x[:, :width] == y[:, :width]).logical_and(is_token[:, :width]).sum())
        generator = torch.Generator().manual_seed(seed)
        draws = torch.randn(n_samples, len(shift), generator=generator, dtype=torch.float64)
        samples: list[D | None] = []
        for piece in (draws * scale + shift).float().split(PART):
            progress("decoding prior samples", len(samples), n_samples)
            samples += domain.from_batch(vae.generate(piece))
    keys = [domain.key(design) for design in samples if design is not None]
    distinct = set(keys)
    corpus = {domain.key(design) for design in known}
    mean, kl = torch.cat(means), torch.cat(kls).mean(0)
    n = max(1, len(held_out))
    found = Diagnosis(
        n_held_out=len(held_out),
        reconstruction=n_exact / n,
        token_accuracy=n_right / n_tokens if n_tokens else None,
        n_samples=n_samples,
        validity=len(keys) / n_samples,
        uniqueness=len(distinct) / max(1, len(keys)),
        novelty=len(distinct - corpus) / max(1, len(distinct)),
        active_units=int((mean.var(0) > ACTIVE).sum()),
        kl=tuple(round(float(value), 4) for value in kl),
    )
    return Diagnosis(**{**vars(found), "warnings": tuple(_warnings(found))})


def _warnings(found: Diagnosis) -> list[str]:
    d = len(found.kl)
    trouble = []
    if found.active_units < max(1, d // 4):
        trouble.append(
            f"posterior collapse: only {found.active_units} of {d} latents carry anything. Lower vae.beta, give it a "
            "longer vae.beta_warmup, or set vae.free_bits to 0.1"
        )
    if found.reconstruction < 0.5:
        trouble.append(
            f"the map is blurred: {found.reconstruction:.0%} of held-out designs come back exactly, so neighbours of a "
            "design may be others. Train longer (vae.epochs), lower vae.beta, or give it more latents"
        )
    if found.validity < 0.9 or found.uniqueness < 0.5:
        trouble.append(
            f"holes: {found.validity:.0%} of prior samples decode to a design and {found.uniqueness:.0%} of those are "
            "distinct. Raise vae.beta, or train on more designs"
        )
    return trouble
