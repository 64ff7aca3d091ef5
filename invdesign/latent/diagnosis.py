"""Diagnosis of a latent space: the balance of reconstruction and meaning, samples by source, warnings with remedies."""

from __future__ import annotations

import math
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Generic, get_args

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal

from invdesign.core import Array, B, D, Progress, capabilities, silent
from invdesign.latent.semantics import auroc
from invdesign.latent.space import LatentSpace, Source
from invdesign.latent.wrapping import warn_of_wrapping
from invdesign.vae.base import to_device
from invdesign.vae.likelihood import log_evidence
from invdesign.vae.priors import StandardNormal, kl_divergence

MIN_VARIANCE_OF_ACTIVE_UNIT = 0.01
MIN_RECONSTRUCTION = 0.1
"""Fraction of exactly decoded held-out designs below which a latent space is useless."""
MAX_GAP = 15.0
"""Nats of -ELBO above the information content from which a space is reported to have holes."""
BATCH = 500
MAX_WRAPPING = 300
"""Designs of whose pairs distances are compared."""
MAX_FAILURES = 600
"""Points of which decode failures are counted."""
FIRST_DECODED = 100
MAX_SECONDS = 200.0
"""Largest CPU time of the samples of one source, estimated from the first 100 of the prior. Where it is exceeded, 100
samples of each source are decoded."""
FAR = 2.0
"""Distance from the center of the space, as a multiple of that of a draw of the prior, of points far outside."""


@dataclass(frozen=True)
class Samples:
    """Figures of designs decoded from one source; fractions lie between 0 and 1."""

    source: str
    """`"prior"`, `"density"` (fitted to real designs), `"corpus"` (posteriors of real designs), or `"midpoints"` (of
    random pairs of held-out designs)."""
    n: int
    """Number of latents decoded."""
    validity: float
    """Fraction that decodes to a design."""
    uniqueness: float
    """Fraction of distinct designs among the valid ones, of which there are `n * validity`."""
    novelty: float
    """Fraction of the distinct designs that the corpus lacks."""
    quality: Mapping[str, float] = field(default_factory=dict)
    """Means of the domain's measures of sanity over the valid designs."""


@dataclass(frozen=True)
class DecodeFailures:
    """How often a point decodes to no design, and whether a low density foretells it."""

    n: int
    """Number of points: draws of the prior, as far from its center, twice as far, and midpoints of real designs."""
    n_failed: int
    """Points at which the decoder writes no design, before points around them are tried."""
    auroc: float | None
    """Probability that a point that fails has a lower density log p(z) than one that does not; None without both."""


@dataclass(frozen=True)
class Diagnosis:
    """Figures of merit of a latent space; fractions lie between 0 and 1."""

    n_held_out: int
    """Designs that the VAE was not trained on."""
    reconstruction: float
    """Fraction of them that decode, from their posterior mean, to exactly themselves."""
    token_accuracy: float | None
    """Fraction of their tokens that are decoded in place; None where designs are not written in tokens."""
    rate: float
    """KL divergence of the posteriors from the prior, averaged over the held-out designs [nats]."""
    distortion: float
    """-log p(x | z) at draws of the posteriors [nats]."""
    neg_elbo: float
    """Importance-weighted bound on -log p(x) (`n_draws` latents for each design) [nats]."""
    n_draws: int
    """Latents drawn for each design."""
    information: float | None
    """Information content: nats of an autoregressive model without a latent; None where it was not measured."""
    active_units: int
    """Latents whose posterior mean has a variance above 0.01 over the designs (Burda et al., 2016)."""
    kl: tuple[float, ...]
    """KL divergence of every latent from the standard normal, averaged over the held-out designs [nats]."""
    quality: Mapping[str, float]
    """Means of the domain's measures of sanity over the held-out designs."""
    samples: tuple[Samples, ...]
    """Designs decoded from each source."""
    decode_failures: DecodeFailures | None = None
    """Decode failures and their prediction by density; None where they were not measured."""
    n_samples: int = 0
    """Largest number of samples of a source, which depends on the speed of the machine where they are fewer."""
    fewer_samples: str = ""
    """Why fewer were decoded than were asked for; empty where as many were."""
    warnings: tuple[str, ...] = ()
    """What is wrong, and what would help."""

    @property
    def gap(self) -> float | None:
        """-ELBO minus information content [nats]: what the latent space spends without meaning."""
        return None if self.information is None else self.neg_elbo - self.information

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {**asdict(self), "gap": self.gap}

    def __str__(self) -> str:
        return "\n".join(describe(self.to_json()))


def describe(diagnosis: Mapping[str, Any]) -> list[str]:
    """Return the lines of text that state a diagnosis, from its JSON."""
    tokens = diagnosis["token_accuracy"]
    per_token = "" if tokens is None else f" (tokens {tokens:.1%})"
    lines = [
        f"exact reconstruction {diagnosis['reconstruction']:.1%} of {diagnosis['n_held_out']:,} held-out designs"
        f"{per_token}",
        f"rate {diagnosis['rate']:.1f} nats, distortion {diagnosis['distortion']:.1f}, "
        f"-ELBO {diagnosis['neg_elbo']:.1f} ({diagnosis['n_draws']} draws)",
        f"{diagnosis['active_units']} of {len(diagnosis['kl'])} latents active",
        balance_sentence(diagnosis["neg_elbo"], diagnosis["information"]),
        f"held-out designs: {_quality_text(diagnosis['quality'])}",
    ]
    for samples in diagnosis["samples"]:
        lines.append(
            f"{samples['source']} (n = {samples['n']:,}): {samples['validity']:.1%} valid, "
            f"{samples['uniqueness']:.1%} of these unique, {samples['novelty']:.1%} novel; "
            f"{_quality_text(samples['quality'])}"
        )
    if diagnosis.get("decode_failures"):
        lines.append(describe_failures(diagnosis["decode_failures"]))
    if diagnosis.get("fewer_samples"):
        lines.append(f"samples of a source: {diagnosis['n_samples']:,}, because {diagnosis['fewer_samples']}")
    return [*lines, *(f"warning: {warning}" for warning in diagnosis["warnings"])]


def describe_failures(failures: Mapping[str, Any]) -> str:
    """Return one sentence on decode failures and on what density says of them, from their JSON.

    Example:
        >>> describe_failures({"n": 3000, "n_failed": 0, "auroc": None})
        'none of 3,000 points, up to twice as far out as the prior, decodes to nothing: density predicts no failure'
    """
    n, n_failed = failures["n"], failures["n_failed"]
    where = f"of {n:,} points, up to twice as far out as the prior,"
    if not n_failed:
        return f"none {where} decodes to nothing: density predicts no failure"
    shown = f"{n_failed:,} {where} decode to nothing"
    if failures["auroc"] is None:
        return shown
    return f"{shown}; density predicts which with an AUROC of {failures['auroc']:.2f} (.5 is chance)"


def balance_sentence(neg_elbo: float, information: float | None) -> str:
    """Return one sentence on what the nats of a latent space are spent on.

    Example:
        >>> balance_sentence(112.0, 27.0)
        'this space spends 112 nats on designs that hold 27: expect nonsense between designs'
    """
    if information is None:
        return "the information content of the designs was not measured"
    gap = neg_elbo - information
    spends = f"this space spends {neg_elbo:.0f} nats on designs that hold {information:.0f}"
    if gap > MAX_GAP:
        return f"{spends}: expect nonsense between designs"
    return f"{spends}: what lies between designs should be designs"


def diagnose(
    latent_space: LatentSpace[D, B],
    held_out: Sequence[D],
    *,
    known: Container[str] = frozenset(),
    information: float | None = None,
    n_samples: int = 1000,
    n_evidence: int = 500,
    n_draws: int = 64,
    seed: int = 0,
    progress: Progress = silent,
) -> Diagnosis:
    """Measure a latent space on designs that its VAE was not trained on, and on samples by source.

    Args:
        latent_space: The latent space.
        held_out: Designs that the VAE was not trained on.
        known: Keys of the corpus, for the novelty of samples.
        information: Information content of the designs [nats], where it was measured.
        n_samples: Latents decoded of each source; 100 where the first 100 of the prior are decoded slowly (geometry
            optimization), which the diagnosis states.
        n_evidence: Largest number of held-out designs of which the importance-weighted bound is taken.
        n_draws: Latents drawn for each of these.
        seed: Seed of the draws.
        progress: Called with `(stage, done, total)`.

    References:
        Burda et al., Importance Weighted Autoencoders (active units), arXiv:1509.00519; Alemi et al., Fixing a Broken
        ELBO (rate and distortion), arXiv:1711.00464.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = _reconstruct(latent_space, held_out, progress)
        timed = _time_samples(latent_space, n_samples, progress)
        samples = tuple(
            _figures(latent_space, source, designs, known)
            for source, designs in _decode_sources(latent_space, held_out, timed, progress)
        )
        failures = measure_decode_failures(latent_space, held_out, n=min(samples[0].n, MAX_FAILURES))
    mean = torch.cat(found.means)
    n = max(1, len(held_out))
    diagnosis = Diagnosis(
        n_held_out=len(held_out),
        reconstruction=found.n_exact / n,
        token_accuracy=found.n_right / found.n_tokens if found.n_tokens else None,
        rate=found.rate / n,
        distortion=found.distortion / n,
        neg_elbo=_neg_elbo(latent_space, held_out[:n_evidence], n_draws, seed, progress),
        n_draws=n_draws,
        information=information,
        active_units=int((mean.var(0) > MIN_VARIANCE_OF_ACTIVE_UNIT).sum()),
        kl=tuple(round(float(value), 4) for value in torch.cat(found.kls).mean(0)),
        quality=mean_quality(latent_space, held_out[:n_samples]),
        samples=samples,
        decode_failures=failures,
        n_samples=timed.n,
        fewer_samples=timed.reason,
    )
    rows = slice(0, MAX_WRAPPING)
    F = capabilities.features(latent_space.encoding, held_out[rows])
    wrapped = warn_of_wrapping(mean[rows], F, latent_space.geometry)
    return replace(diagnosis, warnings=(*_warnings(diagnosis), *wrapped))


def measure_decode_failures(latent_space: LatentSpace[D, B], held_out: Sequence[D], *, n: int) -> DecodeFailures:
    """Return how often points decode to no design, and whether their density foretells it.

    A third of the points are draws of the prior, a third lie twice as far from its center, and a third are midpoints of
    pairs of real designs.

    Args:
        latent_space: The latent space.
        held_out: Real designs.
        n: Number of points, with torch's random numbers.
    """
    third = max(1, n // 3)
    drawn = latent_space.draw(third, "prior")
    center = -latent_space.shift / latent_space.scale
    n_pairs = min(third, len(held_out) // 2)
    Z = latent_space.encode(held_out[: 2 * n_pairs])
    midpoints = (Z[:n_pairs] + Z[n_pairs:]) / 2
    points = torch.cat([drawn, center + FAR * (latent_space.draw(third, "prior") - center), midpoints])
    points = points[points.isfinite().all(1)]
    failed = np.array([design is None for design in replace(latent_space, retries=0).decode(points)])
    density = latent_space.log_density(points).detach().numpy()
    has_both = 0 < failed.sum() < len(failed)
    return DecodeFailures(
        n=len(points),
        n_failed=int(failed.sum()),
        auroc=round(auroc(density[failed], density[~failed]), 4) if has_both else None,
    )


@dataclass
class _Reconstruction:
    """Sums over the held-out designs."""

    n_exact: int = 0
    n_tokens: int = 0
    n_right: int = 0
    rate: float = 0.0
    distortion: float = 0.0
    means: list[Tensor] = field(default_factory=list)
    kls: list[Tensor] = field(default_factory=list)


@torch.no_grad()
def _reconstruct(latent_space: LatentSpace[D, B], held_out: Sequence[D], progress: Progress) -> _Reconstruction:
    found, vae, encoding = _Reconstruction(), latent_space.vae, latent_space.encoding
    for start in range(0, len(held_out), BATCH):
        progress("reconstructing held-out designs", start, len(held_out))
        part = held_out[start : start + BATCH]
        x: Any = to_device(encoding.encode(part), latent_space.device)
        condition = latent_space.conditions_of(part)
        posterior = vae.posterior(x, condition)
        z = posterior.sample()
        found.rate += float(kl_divergence(posterior, vae.prior, z).sum())
        found.distortion -= float(vae.log_likelihood(x, z, condition).sum())
        mean, sd = latent_space.posterior(part)
        found.means.append(mean)
        in_base = Normal(mean * latent_space.scale, sd * latent_space.scale)
        found.kls.append(StandardNormal().kl_divergence(in_base))
        y: Any = vae.generate(posterior.loc, condition)
        decoded = encoding.decode(to_device(y, "cpu"))
        found.n_exact += sum(
            b is not None and capabilities.is_same(latent_space.domain, a, b)
            for a, b in zip(part, decoded, strict=True)
        )
        if encoding.shape.n_tokens:
            width = min(x.shape[1], y.shape[1])
            is_token = x != 0
            found.n_tokens += int(is_token.sum())
            found.n_right += int((x[:, :width] == y[:, :width]).logical_and(is_token[:, :width]).sum())
    return found


def _neg_elbo(
    latent_space: LatentSpace[D, B], designs: Sequence[D], n_draws: int, seed: int, progress: Progress
) -> float:
    """Return the mean importance-weighted bound on -log p(x) [nats]; NaN without designs."""
    total = 0.0
    for start in range(0, len(designs), BATCH // 2):
        progress("importance-weighted bound", start, len(designs))
        part = designs[start : start + BATCH // 2]
        x: Any = to_device(latent_space.encoding.encode(part), latent_space.device)
        condition = latent_space.conditions_of(part)
        total -= float(log_evidence(latent_space.vae, x, samples=n_draws, seed=seed, condition=condition).sum())
    return total / len(designs) if designs else float("nan")


@dataclass(frozen=True, eq=False)
class _TimedSamples(Generic[D]):
    """How many samples of each source are decoded, as the time of the first ones of the prior allows."""

    points: Tensor
    """Draws of the prior."""
    first: list[D | None]
    """What the first of them decode to."""
    n: int
    """Number of samples of each source."""
    reason: str
    """Why they are fewer than were asked for; empty where they are not."""


def _time_samples(latent_space: LatentSpace[D, B], n: int, progress: Progress) -> _TimedSamples[D]:
    """Decode the first draws of the prior, and set the number of samples of every source by their time.

    It is timed once, so that all sources have equally many.
    """
    progress("decoding samples: prior", 0, len(get_args(Source)) + 1)
    points = latent_space.draw(n, "prior")
    started = time.process_time()
    first = latent_space.decode(points[:FIRST_DECODED])
    expected = (time.process_time() - started) * len(points) / max(1, len(first))
    if len(first) == len(points) or expected <= MAX_SECONDS:
        return _TimedSamples(points, first, n, "")
    reason = f"{n:,} would take {expected:.0f} CPU s on this machine, of {MAX_SECONDS:g} at most"
    return _TimedSamples(points, first, len(first), reason)


def _decode_sources(
    latent_space: LatentSpace[D, B], held_out: Sequence[D], timed: _TimedSamples[D], progress: Progress
) -> Iterator[tuple[str, list[D | None]]]:
    """Yield each source with the designs that its draws decode to, and the midpoints of pairs of held-out designs."""
    for i, source in enumerate(get_args(Source)):
        progress(f"decoding samples: {source}", i, len(get_args(Source)) + 1)
        if source == "prior":
            yield source, [*timed.first, *latent_space.decode(timed.points[len(timed.first) : timed.n])]
        else:
            yield source, latent_space.decode(latent_space.draw(len(timed.points), source)[: timed.n])
    half = min(timed.n, len(held_out) // 2)
    if half:
        Z = latent_space.encode(held_out[: 2 * half])
        yield "midpoints", latent_space.decode((Z[:half] + Z[half:]) / 2)


def _figures(latent_space: LatentSpace[D, B], source: str, designs: list[D | None], known: Container[str]) -> Samples:
    valid = [design for design in designs if design is not None]
    distinct = {latent_space.domain.key(design) for design in valid}
    return Samples(
        source=source,
        n=len(designs),
        validity=len(valid) / max(1, len(designs)),
        uniqueness=len(distinct) / max(1, len(valid)),
        novelty=sum(key not in known for key in distinct) / max(1, len(distinct)),
        quality=mean_quality(latent_space, valid),
    )


def mean_quality(latent_space: LatentSpace[D, B], designs: Sequence[D]) -> dict[str, float]:
    """Return the means of the domain's measures of sanity; empty where it has none, or without designs."""
    if not designs:
        return {}
    measures: Mapping[str, Array] = capabilities.quality(latent_space.domain, designs)
    known = {name: values[np.isfinite(values)] for name, values in measures.items()}
    return {name: float(values.mean()) if len(values) else math.nan for name, values in known.items()}


def warn_of_reconstruction(card: Mapping[str, Any]) -> list[str]:
    """Return the sentence that a campaign must not go on without, where a latent space reconstructs next to nothing.

    Args:
        card: Record of the model; one without a diagnosis gives no sentence.
    """
    diagnosis = card.get("diagnosis") or {}
    share = diagnosis.get("reconstruction", 1.0)
    if share >= MIN_RECONSTRUCTION:
        return []
    return [
        f"The latent space decodes {share:.0%} of {diagnosis['n_held_out']:,} held-out designs exactly: what it "
        "proposes near a design need not resemble it. Train longer (vae.epochs) or on more designs."
    ]


def _quality_text(quality: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in quality.items()) or "no measure of sanity"


def _warnings(found: Diagnosis) -> list[str]:
    d = len(found.kl)
    warnings = []
    if found.active_units < max(1, d // 4):
        warnings.append(
            f"posterior collapse: only {found.active_units} of {d} latents are active. Lower vae.beta, raise "
            "vae.target_rate, or set vae.free_bits to 0.1"
        )
    if found.reconstruction < 0.5:
        warnings.append(
            f"poor reconstruction: {found.reconstruction:.0%} of held-out designs are decoded exactly, so neighbours "
            "of a design in latent space may be others. Train longer (vae.epochs), raise vae.target_rate or lower "
            "vae.beta, or use more latents"
        )
    if found.gap is not None and found.gap > MAX_GAP:
        warnings.append(
            f"holes: {balance_sentence(found.neg_elbo, found.information)}. Lower vae.target_rate or raise vae.beta"
        )
    prior = found.samples[0]
    if prior.validity < 0.9 or prior.uniqueness < 0.5:
        warnings.append(
            f"holes: {prior.validity:.0%} of prior samples decode to a design and {prior.uniqueness:.0%} of those are "
            "distinct. Lower vae.target_rate or raise vae.beta, or train on more designs"
        )
    return warnings
