"""The latent space: a domain with its trained VAE."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from invdesign.core import B, D, Density, DesignSpace, Domain, Encoding, InvdesignError
from invdesign.core.capabilities import penalties
from invdesign.latent.conditions import KnownConditions
from invdesign.latent.density import SampledDensity
from invdesign.latent.geometry import Euclidean, LatentGeometry
from invdesign.latent.key_filter import KeyFilter
from invdesign.latent.moments import posterior_centers, posterior_moments
from invdesign.latent.training_keys import TrainingKeys
from invdesign.vae.base import VAE, Ranked, device_of, to_device
from invdesign.vae.conditioning import conditioning_of
from invdesign.vae.priors import StandardNormal

RETRY_RADII = (0.05, 0.3)
"""Distances [sd of the corpus] of the first and the last point tried around one that decodes to no design."""
RETRY_SHRINKAGE = 0.5
"""Fraction of the way to the center of the space that the last of these points has moved: simpler designs lie there."""
BATCH = 500
TRIED_AT_ONCE = 2
"""Points tried at once around one that decodes to no design: two in three of them decode to one."""
MAX_DECODED_AT_ONCE = 20
"""Largest number of points decoded at once with two around each missing one; where more are missing, one around each is
tried at a time, because the time of decoding grows with the points."""

Source = Literal["prior", "density", "corpus"]


@dataclass(frozen=True, eq=False)
class LatentSpace(Generic[D, B]):
    """Standardized latent space: the space that a search moves in.

    With a standard normal prior, every latent has mean 0 and standard deviation 1 over the corpus. With a learned prior
    the space is the base space of the prior, in which the prior is the standard normal. Latents that go in and come out
    are float64 on the CPU; the VAE computes on its own device (see `to`).
    """

    domain: DesignSpace[D]
    """Identifies designs."""
    encoding: Encoding[D, B]
    """The encoding that the VAE was trained with."""
    vae: VAE
    """The trained VAE."""
    shift: Float64[Tensor, " d"]
    """Mean of the corpus in the base space of the prior; 0 for a learned prior."""
    scale: Float64[Tensor, " d"]
    """Standard deviation of the corpus in the base space of the prior; 1 for a learned prior."""
    density: Density
    """log p(z) of real designs, in standardized latents."""
    sample: Float64[Tensor, "k d"]
    """Standardized latents of real designs."""
    sample_sd: Float64[Tensor, "k d"]
    """Standard deviations of their posteriors."""
    reference_plausibilities: Float64[Tensor, " m"]
    """Plausibilities of held-out designs in ascending order, the scale of percentiles."""
    card: Mapping[str, Any] = field(default_factory=dict)
    """Record of the model (data, recipe, diagnosis), as JSON."""
    retries: int = 8
    """Points tried around one that decodes to no design."""
    geometry: LatentGeometry = field(default_factory=Euclidean)
    """Geometry of the space."""
    training_keys: TrainingKeys | KeyFilter = field(default_factory=TrainingKeys)
    """Keys of the designs that the VAE was trained on."""
    known_conditions: KnownConditions | None = None
    """Conditions of the designs of the corpus; None for a VAE that reads none."""

    @property
    def d(self) -> int:
        """Latent dimensions."""
        return self.vae.d

    @property
    def device(self) -> torch.device:
        """Device on which the VAE computes."""
        return device_of(self.vae)

    def to(self, device: torch.device | str) -> LatentSpace[D, B]:
        """Return the latent space with its VAE on a device, e.g. `"cuda"`; the VAE is moved, not copied."""
        return replace(self, vae=self.vae.to(device))

    def with_domain(self, domain: Domain[D, B]) -> LatentSpace[D, B]:
        """Return the same latent space for a domain with other limits of the design task.

        Raises:
            InvdesignError: The model is that of another kind of designs.
        """
        return replace(self, domain=domain, encoding=domain.restore(self.encoding.state()))

    def under(self, wanted: Mapping[str, str]) -> LatentSpace[D, B]:
        """Return a latent space that decodes, and encodes new designs, under other conditions.

        Args:
            wanted: Value of each label, e.g. `{"laboratory": "A"}`; the most frequent one of a label that is left out.

        Raises:
            InvdesignError: The VAE reads no conditions, or the corpus has no such label or value.
        """
        if self.known_conditions is None:
            raise InvdesignError(
                "vae.decode_under: expected a conditional model, got one that reads no conditions. Train one with "
                "vae.condition=[LABEL, ...]"
            )
        conditions = self.known_conditions.conditions
        card = {**self.card, "condition": {**conditions.to_json(), "decode_under": conditions.complete(wanted)}}
        return replace(self.under_row(conditions.row(wanted)), card=card)

    def under_row(self, row: Float[Tensor, " c"]) -> LatentSpace[D, B]:
        """Return a latent space whose default is a condition as the VAE reads it, e.g. that of a design of the corpus.

        Args:
            row: One of the rows that `conditions_of` returns.
        """
        vae = copy.deepcopy(self.vae)
        reader = conditioning_of(vae)
        assert reader is not None
        reader.default.copy_(row)
        return replace(self, vae=vae)

    def with_labels(self, designs: Sequence[D], labels: Mapping[str, Sequence[str]]) -> LatentSpace[D, B]:
        """Return a latent space that encodes further designs under conditions of their own.

        Designs of the corpus keep theirs. A value that the corpus does not have counts as unknown.

        Args:
            designs: `n` designs.
            labels: Labels by name, each of length `n`; those that the VAE does not read have no effect.
        """
        known = self.known_conditions
        if known is None or not any(name in labels for name in known.conditions.shares):
            return self
        unknown = ("",) * len(designs)
        rows = known.conditions.rows({name: labels.get(name, unknown) for name in known.conditions.shares})
        keys = [self.domain.key(design) for design in designs]
        return replace(self, known_conditions=known.with_designs(keys, rows))

    def conditions_of(self, designs: Sequence[D]) -> Float[Tensor, "n c"] | None:
        """Return the conditions of designs: their own for those of the corpus; None for a VAE that reads none."""
        reader = conditioning_of(self.vae)
        if reader is None or self.known_conditions is None:
            return None
        return self.known_conditions.of_designs(map(self.domain.key, designs), reader.default.cpu())

    def encode(self, designs: Sequence[D]) -> Float64[Tensor, "n d"]:
        """Return the standardized latents of designs: the means of their posteriors."""
        if not len(designs):
            return torch.zeros(0, self.d, dtype=torch.float64)
        batches = (self.encoding.encode(part) for part in _parts(designs))
        condition = self.conditions_of(designs)
        center = posterior_centers(self.vae, batches, condition)
        return self._align((center - self.shift) / self.scale, condition)

    def posterior(self, designs: Sequence[D]) -> tuple[Float64[Tensor, "n d"], Float64[Tensor, "n d"]]:
        """Return the standardized means and standard deviations of the posteriors of designs."""
        if not len(designs):
            empty = torch.zeros(0, self.d, dtype=torch.float64)
            return empty, empty
        batches = (self.encoding.encode(part) for part in _parts(designs))
        condition = self.conditions_of(designs)
        mean, sd = posterior_moments(self.vae, batches, condition)
        return self._align((mean - self.shift) / self.scale, condition), sd / self.scale

    @torch.no_grad()
    def vae_posterior(self, designs: Sequence[D]) -> tuple[Float64[Tensor, "n d"], Float64[Tensor, "n d"]]:
        """Return means and standard deviations of the posteriors in the VAE's own latents, before prior and scale."""
        parts = [
            self.vae.posterior(to_device(self.encoding.encode(part), self.device), self.conditions_of(part))
            for part in _parts(designs)
        ]
        empty = torch.zeros(0, self.d, dtype=torch.float64)
        means = torch.cat([empty, *(posterior.loc.cpu().double() for posterior in parts)])
        return means, torch.cat([empty, *(posterior.scale.cpu().double() for posterior in parts)])

    @torch.no_grad()
    def vae_latents(self, Z: Float64[Tensor, "n d"]) -> Float64[Tensor, "n d"]:
        """Return points of the space in the VAE's own latents, before prior and scale."""
        return self._raw(Z).cpu().double()

    @torch.no_grad()
    def from_vae_latents(self, z: Float64[Tensor, "n d"]) -> Float64[Tensor, "n d"]:
        """Return points in the VAE's own latents as points of the space: the inverse of `vae_latents`."""
        base = self.vae.prior.to_base(z.float().to(self.device)).cpu().double()
        Z, reader = (base - self.shift) / self.scale, conditioning_of(self.vae)
        return Z if reader is None else self._align(Z, reader.default.cpu().expand(len(Z), -1))

    def decode(self, Z: Float64[Tensor, "n d"]) -> list[D | None]:
        """Return the most likely design at each point or near it; None where the decoder writes no valid design.

        A point that decodes to no design gets that of the first of a few points around it, nearer ones first. These
        points are fixed, so the same point always gives the same design.

        Raises:
            InvdesignError: The latents have another number of dimensions.
        """
        if Z.ndim != 2 or Z.shape[1] != self.d:
            raise InvdesignError(f"decode: expected latents n x {self.d}, got shape {tuple(Z.shape)}")
        designs = self._decode(Z)
        missing = [i for i, design in enumerate(designs) if design is None]
        steps = _retry_steps(self.d, self.retries)
        shrinkage = 1 - RETRY_SHRINKAGE * torch.arange(1, self.retries + 1, dtype=torch.float64) / max(1, self.retries)
        n_tried = 0
        while missing and n_tried < self.retries:
            n_next = max(1, min(TRIED_AT_ONCE, MAX_DECODED_AT_ONCE // len(missing)))
            tried = slice(n_tried, n_tried + n_next)
            points = Z[missing, None] * shrinkage[tried, None] + steps[tried]
            found = iter(self._decode(points.flatten(0, 1)))
            for i in missing:
                nearby = [next(found) for _ in range(points.shape[1])]
                designs[i] = next((design for design in nearby if design is not None), None)
            missing = [i for i in missing if designs[i] is None]
            n_tried += points.shape[1]
        return designs

    def log_density(self, Z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """Return log p(z) of real designs."""
        return self.density(Z)

    @torch.no_grad()
    def plausibility(self, designs: Sequence[D], Z: Float64[Tensor, "n d"]) -> Float64[Tensor, " n"]:
        """Return log p(x, z) = log p(x | z) + log p(z) of designs at latents, in nats of the base space.

        At the latent of a design itself it is low where the region is empty, and where the decoder would rather write
        another design. At a proposed point it is low too where the decoded design belongs elsewhere: log p(x | z) then
        measures the round trip from the point to the design and back.

        Args:
            designs: `n` designs.
            Z: Their latents, or the points that they were decoded from.
        """
        rated = []
        for part, points in zip(_parts(designs), _parts(Z), strict=True):
            x = to_device(self.encoding.encode(part), self.device)
            condition = self.conditions_of(part)
            log_likelihood = self.vae.log_likelihood(x, self._raw(points, condition), condition).cpu().double()
            rated.append(log_likelihood + StandardNormal().log_prob(points * self.scale + self.shift))
        return torch.cat(rated) if rated else torch.zeros(0, dtype=torch.float64)

    def percentile(self, plausibility: Float64[Tensor, " n"]) -> Float64[Tensor, " n"]:
        """Return the percentage (0 to 100) of held-out designs with a lower plausibility."""
        below = torch.searchsorted(self.reference_plausibilities, plausibility.contiguous())
        return 100.0 * below.double() / max(1, len(self.reference_plausibilities))

    def with_reference(self, designs: Sequence[D]) -> LatentSpace[D, B]:
        """Return the latent space with the plausibilities of real designs as the scale of percentiles.

        Args:
            designs: Designs that the VAE was not trained on, as far as there are any.
        """
        plausibility = self.plausibility(designs, self.encode(designs))
        return replace(self, reference_plausibilities=plausibility.sort().values)

    def predict(self, Z: Float64[Tensor, "n d"]) -> Float[Tensor, "n p"] | None:
        """Return the standardized properties that the VAE's property head predicts; None without a head."""
        with torch.no_grad():
            predicted = self.vae.predict(self._raw(Z))
        return None if predicted is None else predicted.cpu()

    def draw(self, n: int, source: Source = "corpus") -> Float64[Tensor, "n d"]:
        """Return draws with torch's random numbers.

        Args:
            n: Number of draws.
            source: `"prior"`: the prior of the VAE; `"density"`: the density of real designs; `"corpus"`: the aggregate
                posterior, posteriors of real designs, most of which decode to the designs themselves.

        Raises:
            InvdesignError: The source is unknown, or the density cannot be sampled.
        """
        if source == "prior":
            return self.geometry.project((torch.randn(n, self.d, dtype=torch.float64) - self.shift) / self.scale)
        if source == "density":
            if not isinstance(self.density, SampledDensity):
                raise InvdesignError("draw: expected a density that can be sampled. Choose density=mixture")
            return self.geometry.project(self.density.sample(n))
        if source == "corpus":
            rows = torch.randint(len(self.sample), (n,))
            drawn = self.sample[rows] + self.sample_sd[rows] * torch.randn(n, self.d, dtype=torch.float64)
            return self.geometry.project(drawn)
        raise InvdesignError(f"draw: source must be one of {', '.join(get_args(Source))}, got {source!r}")

    def _align(self, Z: Tensor, condition: Tensor | None) -> Tensor:
        """Return standardized latents of designs as those of any condition."""
        return Z if self.known_conditions is None or condition is None else self.known_conditions.align(Z, condition)

    def _raw(self, Z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return points of the space as the VAE's own latents, on its device, under the default or given conditions."""
        reader = conditioning_of(self.vae)
        if self.known_conditions is not None and reader is not None:
            rows = reader.default.cpu().expand(len(Z), -1) if condition is None else condition
            Z = self.known_conditions.restore(Z, rows)
        return self.vae.prior.from_base((Z * self.scale + self.shift).float().to(self.device))

    @torch.no_grad()
    def _decode(self, Z: Tensor) -> list[D | None]:
        """Return the best of the ranked outputs at each point that are designs."""
        designs: list[D | None] = []
        for part in _parts(self._raw(Z)):
            designs += self._choose(self.vae.generate_ranked(part))
        return designs

    def _choose(self, outputs: Sequence[Ranked]) -> list[D | None]:
        """Return for each row the design of the largest score less its penalty, among outputs of falling scores."""
        n = len(outputs[0].scores)
        designs: list[D | None] = [None] * n
        best = np.full(n, -np.inf)
        for output in outputs:
            scores = output.scores.double().cpu().numpy()
            # A later output cannot win where the best so far needs no penalty.
            (rows,) = np.nonzero(best < scores)
            if not len(rows):
                break
            batch = to_device(output.batch, "cpu")
            decoded = self.encoding.decode(batch if len(rows) == n else batch[torch.from_numpy(rows)])
            found = [(row, design) for row, design in zip(rows, decoded, strict=True) if design is not None]
            rates = scores[[row for row, _ in found]] - penalties(self.encoding, [design for _, design in found])
            for (row, design), rate in zip(found, rates, strict=True):
                if rate > best[row]:
                    designs[row], best[row] = design, rate
        return designs


def _retry_steps(d: int, n: int) -> Tensor:
    """Return `n x d` fixed steps of increasing length, in standard deviations of the corpus."""
    directions = torch.randn(n, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return directions * torch.linspace(*RETRY_RADII, n, dtype=torch.float64)[:, None]


def _parts(values: Any) -> Iterator[Any]:
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]
