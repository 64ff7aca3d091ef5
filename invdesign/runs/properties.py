"""Properties that a latent space can be asked about: those that its domain computes, and those that were measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from invdesign.atlas.directions import Measure
from invdesign.atlas.projection import thin
from invdesign.campaign import Campaign, Engine
from invdesign.campaign.engine import bind_descriptors, cache_features
from invdesign.campaign.property_fit import fit_properties
from invdesign.config.instantiate import bind
from invdesign.core import Array, ComputedProperty, Corpus, InvdesignError
from invdesign.core.capabilities import computed_properties, placement_errors
from invdesign.latent.space import LatentSpace
from invdesign.runs import latent_spaces
from invdesign.runs.campaign_run import CampaignRun
from invdesign.runs.measurements import log_usage
from invdesign.runs.resources import Resources

N_DESIGNS = 3_000
"""Designs of a corpus for which properties are computed."""
N_DECODED = 1_500
"""Designs that are decoded where there is no corpus."""
N_COMPARED = 30
"""Designs for which a measured property is compared with a computed one of the same name."""
TOLERANCE = 0.01
"""Largest relative difference of values that are the same."""

PropertyKind = Literal["computed", "predicted"]


@dataclass(frozen=True, eq=False)
class Property:
    """A property with the designs for which it is known."""

    name: str
    """Its name."""
    unit: str
    """Its unit."""
    kind: PropertyKind
    """Whether values of new designs are computed, or predicted by a surrogate of the measured ones."""
    designs: Sequence[Any]
    """Designs for which it is known."""
    values: Array
    """Their values."""
    measure: Measure
    """Computes or predicts it of other designs."""


@dataclass(frozen=True, eq=False)
class LabelledSpace:
    """A latent space with real designs, and what was measured."""

    latent_space: LatentSpace[Any, Any]
    """The latent space."""
    campaign: Campaign[Any, Any]
    """Gives the surrogate of measured properties, and the units of objectives."""
    designs: Sequence[Any]
    """Designs of the corpus; decoded from its latents where there is no corpus."""
    measured: Mapping[str, tuple[Sequence[Any], Array]]
    """Designs and values of each measured property."""
    corpus: Corpus[Any] | None = None
    """The whole corpus, where there is one."""

    def property(self, name: str) -> Property:
        """Return a property by its name; a measured one hides a computed one, unless their values are the same.

        Raises:
            InvdesignError: There is no such property.
        """
        computed = computed_properties(self.latent_space.domain)
        if name in self.measured and not (name in computed and self._is_alike(name, measure_computed(computed[name]))):
            return self._predicted(name)
        if name in computed:
            values = np.asarray(computed[name].measure(self.designs), dtype=np.float64)
            return Property(
                name, computed[name].unit, "computed", self.designs, values, measure_computed(computed[name])
            )
        names = ", ".join([*self.measured, *(other for other in computed if other not in self.measured)])
        raise InvdesignError(f"property {name!r}: expected one of {names or 'none'}. Correct the name")

    def _is_alike(self, name: str, measure: Measure) -> bool:
        """Return whether measured values are those that are computed, as in a column of a built-in corpus."""
        designs, values = self.measured[name]
        rows = thin(len(designs), N_COMPARED)
        return bool(np.allclose(measure([designs[i] for i in rows]), values[rows], rtol=TOLERANCE, equal_nan=True))

    def _predicted(self, name: str) -> Property:
        """Return a measured property, which a surrogate predicts of other designs."""
        designs, values = self.measured[name]
        latent_space, surrogates = self.latent_space, self.campaign.surrogates
        cache = cache_features(latent_space.encoding, surrogates.surrogate)
        n_descriptors = cache.n_descriptors if surrogates.use_features else 0
        surrogate = bind_descriptors(surrogates.surrogate, n_descriptors)

        def inputs(given: Sequence[Any]) -> torch.Tensor:
            Z = latent_space.encode(given)
            if not surrogates.use_features:
                return Z
            return torch.cat([Z, cache.compute(given)], 1)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.campaign.seed)
            Y = torch.from_numpy(values)[:, None]
            fitted = fit_properties(surrogate, inputs(designs), Y, d=latent_space.d)
        if fitted.model is None:
            raise InvdesignError(f"property {name!r}: no surrogate can be fitted to its {len(values)} values. Add some")

        def measure(given: Sequence[Any]) -> Array:
            predicted: Array = fitted.predict(inputs(given))[0][:, 0].numpy()
            return predicted

        units = {objective.name: objective.unit for objective in self.campaign.objectives}
        return Property(name, units.get(name, ""), "predicted", designs, values, measure)


def labelled_space_of_run(run: CampaignRun[Any, Any]) -> LabelledSpace:
    """Return the latent space of a run, its corpus, and the measured values of its objectives."""
    engine: Engine[Any, Any] = run.engine
    found = [c for c in run.state.evaluated if c.status == "measured" and c.is_placed]
    rows = {o.name: [c.y[j] for c in found] for j, o in enumerate(run.campaign.objectives)}
    evaluated = [c.design for c in found]
    measured = {name: _with_value(evaluated, np.array(values, dtype=np.float64)) for name, values in rows.items()}
    designs = _real_designs(engine.latent_space, run.corpus)
    return LabelledSpace(engine.latent_space, run.campaign, designs, measured, run.corpus)


def labelled_space_of_campaign(campaign: Campaign[Any, Any], resources: Resources) -> LabelledSpace:
    """Return the latent space of a campaign, its corpus, and the measured properties of corpus and seed designs."""
    options = {"cache": resources.cache, "progress": resources.progress}
    corpus = bind(campaign.corpus, options)() if campaign.corpus else None
    latent_space = latent_spaces.prepare_latent_space(campaign, corpus, resources.cache, resources.progress)
    seeds = bind(campaign.seeding.seeds, options)() if campaign.seeding.seeds else None
    measured: dict[str, tuple[Sequence[Any], Array]] = {}
    for source in (corpus, seeds):
        log_usage(source)
        if source is None:
            continue
        errors = placement_errors(latent_space.encoding, source.designs) if source.properties else []
        for name, values in source.properties.items():
            is_placed = np.array([not error for error in errors])
            measured[name] = _with_value(source.designs, np.where(is_placed, values, np.nan))
    return LabelledSpace(latent_space, campaign, _real_designs(latent_space, corpus), measured, corpus)


def _real_designs(latent_space: LatentSpace[Any, Any], corpus: Corpus[Any] | None) -> list[Any]:
    """Return designs of the corpus, evenly drawn, or those that its stored latents decode to."""
    if corpus is not None:
        chosen = [corpus.designs[i] for i in thin(len(corpus.designs), N_DESIGNS)]
        errors = placement_errors(latent_space.encoding, chosen)
        return [design for design, error in zip(chosen, errors, strict=True) if not error]
    rows = thin(len(latent_space.sample), N_DECODED)
    return [design for design in latent_space.decode(latent_space.sample[rows]) if design is not None]


def _with_value(designs: Sequence[Any], values: Array) -> tuple[Sequence[Any], Array]:
    rows = np.flatnonzero(np.isfinite(values)).tolist()
    return [designs[i] for i in rows], values[rows]


def measure_computed(computed: ComputedProperty) -> Measure:
    """Return what computes a property, as an array."""
    return lambda designs: np.asarray(computed.measure(designs), dtype=np.float64)
