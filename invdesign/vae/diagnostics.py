"""Diagnosis of a trained VAE: reconstruction, samples, use of the latents, and warnings with remedies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from invdesign.core import B, D, DesignSpace, Encoding, Progress, silent
from invdesign.core.capabilities import is_same
from invdesign.vae.base import VAE, device_of, to_device
from invdesign.vae.priors import kl_divergence

MIN_VARIANCE_OF_ACTIVE_UNIT = 0.01
BATCH = 500


@dataclass(frozen=True)
class Diagnosis:
    """Figures of merit of a trained VAE; fractions lie between 0 and 1."""

    n_held_out: int
    """Designs that it was not trained on."""
    reconstruction: float
    """Fraction of them that decode, from their posterior mean, to exactly themselves."""
    token_accuracy: float | None
    """Fraction of their tokens that are decoded in place; None where designs are not written in tokens."""
    n_samples: int
    """Draws from the standard normal in standardized latents."""
    validity: float
    """Fraction of draws that decode to a design."""
    uniqueness: float
    """Fraction of distinct designs among those."""
    novelty: float
    """Fraction of the distinct designs that the corpus lacks."""
    active_units: int
    """Latents whose posterior mean has a variance above 0.01 over the designs (Burda et al., 2016)."""
    kl: tuple[float, ...]
    """KL divergence of every latent, averaged over the held-out designs [nats]."""
    warnings: tuple[str, ...] = ()
    """What is wrong, and what would help."""

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON."""
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
    domain: DesignSpace[D],
    encoding: Encoding[D, B],
    held_out: Sequence[D],
    *,
    shift: Float[Tensor, " d"],
    scale: Float[Tensor, " d"],
    corpus: Iterable[D] = (),
    n_samples: int = 1000,
    seed: int = 0,
    progress: Progress = silent,
) -> Diagnosis:
    """Measure a trained VAE on designs that it was not trained on, and on samples of the prior.

    Args:
        vae: The trained model.
        domain: Identifies designs.
        encoding: The encoding that it was trained with.
        held_out: Designs that it was not trained on.
        shift: Mean of the latents of the corpus.
        scale: Their standard deviation.
        corpus: Designs of the corpus, for the novelty of samples.
        n_samples: Draws from the standard normal in standardized latents.
        seed: Seed of the draws.
        progress: Called with `(stage, done, total)`.

    References:
        Burda et al., Importance Weighted Autoencoders (active units), arXiv:1509.00519.
    """
    found = _reconstruct(vae, domain, encoding, held_out, progress)
    samples = _sample(vae, encoding, shift, scale, n_samples, seed, progress)
    keys = [domain.key(design) for design in samples if design is not None]
    distinct = set(keys)
    known = {domain.key(design) for design in corpus}
    mean, kl = torch.cat(found.means), torch.cat(found.kls).mean(0)
    diagnosis = Diagnosis(
        n_held_out=len(held_out),
        reconstruction=found.n_exact / max(1, len(held_out)),
        token_accuracy=found.n_right / found.n_tokens if found.n_tokens else None,
        n_samples=n_samples,
        validity=len(keys) / n_samples,
        uniqueness=len(distinct) / max(1, len(keys)),
        novelty=len(distinct - known) / max(1, len(distinct)),
        active_units=int((mean.var(0) > MIN_VARIANCE_OF_ACTIVE_UNIT).sum()),
        kl=tuple(round(float(value), 4) for value in kl),
    )
    return replace(diagnosis, warnings=tuple(_warnings(diagnosis)))


@dataclass
class _Reconstruction:
    """Sums over the held-out designs."""

    n_exact: int = 0
    n_tokens: int = 0
    n_right: int = 0
    means: list[Tensor] = field(default_factory=list)
    kls: list[Tensor] = field(default_factory=list)


@torch.no_grad()
def _reconstruct(
    vae: VAE, domain: DesignSpace[D], encoding: Encoding[D, B], held_out: Sequence[D], progress: Progress
) -> _Reconstruction:
    device, found = device_of(vae), _Reconstruction()
    for start in range(0, len(held_out), BATCH):
        progress("reconstructing held-out designs", start, len(held_out))
        part = held_out[start : start + BATCH]
        x: Any = to_device(encoding.encode(part), device)
        posterior = vae.posterior(x)
        found.means.append(posterior.loc.cpu())
        found.kls.append(kl_divergence(posterior, vae.prior).cpu())
        y: Any = vae.generate(posterior.loc)
        decoded = encoding.decode(to_device(y, "cpu"))
        found.n_exact += sum(b is not None and is_same(domain, a, b) for a, b in zip(part, decoded, strict=True))
        if encoding.shape.n_tokens:
            width = min(x.shape[1], y.shape[1])
            is_token = x != 0
            found.n_tokens += int(is_token.sum())
            found.n_right += int((x[:, :width] == y[:, :width]).logical_and(is_token[:, :width]).sum())
    return found


@torch.no_grad()
def _sample(
    vae: VAE, encoding: Encoding[D, B], shift: Tensor, scale: Tensor, n: int, seed: int, progress: Progress
) -> list[D | None]:
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randn(n, len(shift), generator=generator, dtype=torch.float64)
    samples: list[D | None] = []
    for piece in (draws * scale + shift).float().split(BATCH):
        progress("decoding prior samples", len(samples), n)
        samples += encoding.decode(to_device(vae.generate(piece.to(device_of(vae))), "cpu"))
    return samples


def _warnings(found: Diagnosis) -> list[str]:
    d = len(found.kl)
    warnings = []
    if found.active_units < max(1, d // 4):
        warnings.append(
            f"posterior collapse: only {found.active_units} of {d} latents are active. Lower vae.beta, raise "
            "vae.beta_warmup, or set vae.free_bits to 0.1"
        )
    if found.reconstruction < 0.5:
        warnings.append(
            f"poor reconstruction: {found.reconstruction:.0%} of held-out designs are decoded exactly, so neighbours "
            "of a design in latent space may be others. Train longer (vae.epochs), lower vae.beta, or use more latents"
        )
    if found.validity < 0.9 or found.uniqueness < 0.5:
        warnings.append(
            f"holes: {found.validity:.0%} of prior samples decode to a design and {found.uniqueness:.0%} of those are "
            "distinct. Raise vae.beta, or train on more designs"
        )
    return warnings
