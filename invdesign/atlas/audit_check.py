"""Check that designs are not unlike real ones: a screen before measuring, or a validator before export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import platformdirs

from invdesign.atlas.audit import Auditor
from invdesign.atlas.audit_files import prepare_auditor, stored_auditor
from invdesign.core import Check, Corpus, Domain
from invdesign.latent.prepare import Pretrained, prepare
from invdesign.vae.training import Recipe


@dataclass(frozen=True, eq=False)
class LikeRealDesigns:
    """A check that fails for designs that are as unlike real designs as a small share of these is.

    The auditor is fitted, or read from the cache, where the first designs are checked.
    """

    domain: Domain[Any, Any]
    """The kind of designs."""
    vae: Recipe | Pretrained
    """The model, that of the campaign."""
    corpus: Callable[[], Corpus[Any]] | None = None
    """Loads what the model was trained on; a model with a stored audit needs none."""
    level: float = 0.01
    """p-value up to which a design fails (see `atlas.audit.Finding`)."""
    cache: str | Path | None = None
    """Folder of models and auditors, where it is not that of the user."""

    def __call__(self, designs: Sequence[Any]) -> list[Check]:
        """Return a check for each of `n` designs, with the places that it is least like real designs at."""
        checks = []
        for finding in self._auditor.audit(designs):
            where = ", ".join(finding.strongest())
            detail = f"p {finding.p_value:.2g} by {finding.cause}{f', at {where}' if where else ''}"
            checks.append(Check("like_real_designs", finding.p_value > self.level, finding.problem or detail))
        return checks

    @cached_property
    def _auditor(self) -> Auditor[Any, Any]:
        cache = Path(self.cache) if self.cache else platformdirs.user_cache_path("invdesign")
        if isinstance(self.vae, Pretrained):
            latent_space = prepare(self.domain, None, self.vae)
            stored = stored_auditor(self.domain, self.vae, latent_space, cache=cache)
            if stored is not None:
                return stored
        corpus = self.corpus() if self.corpus is not None else None
        latent_space = prepare(self.domain, corpus, self.vae, cache=cache)
        return prepare_auditor(self.domain, corpus, self.vae, latent_space, cache=cache)
