"""Protocols and function types that plug-ins implement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from invdesign.core.objectives import Objective
from invdesign.core.records import Array, B, Candidate, Check, Corpus, D, Landscape, Outcome

if TYPE_CHECKING:
    from botorch.acquisition import AcquisitionFunction
    from botorch.models.model import Model
    from torch import Tensor, nn


@runtime_checkable
class Domain(Protocol[D, B]):
    """What a domain knows of its designs. A frozen value; `fit` answers a new one.

    `to_batch` never raises on a design that `read` accepted: what the vocabulary lacks becomes its unknown token,
    and `encoding_errors` names it.
    """

    @property
    def name(self) -> str: ...
    @property
    def formats(self) -> tuple[str, ...]:
        """Suffixes that `write` knows, the lossless one first, e.g. `(".smi", ".sdf", ".svg")`."""
        ...

    def read(self, path: Path) -> Corpus[D]: ...
    def write(
        self, designs: Sequence[D], path: Path, *, columns: Mapping[str, Sequence[Any]] | None = None
    ) -> None: ...
    def key(self, design: D) -> str: ...
    def label(self, design: D) -> str:
        """What people call the design, on one line."""
        ...

    def to_text(self, design: D) -> str: ...
    def from_text(self, text: str) -> D: ...
    def fit(self, designs: Sequence[D]) -> Domain[D, B]:
        """The domain with what must be learnt from a corpus before a VAE can be built (a vocabulary, a length)."""
        ...

    def state(self) -> dict[str, Any]:
        """What `fit` learnt and how the domain is set, as JSON; `restore` takes it back."""
        ...

    def restore(self, state: Mapping[str, Any]) -> Domain[D, B]: ...
    def model(self, architecture: Mapping[str, Any]) -> nn.Module:
        """The untrained VAE of a stored architecture, for the domain as it is fitted."""
        ...

    def is_same(self, first: D, second: D) -> bool:
        """Whether the second can stand for the first: equal keys, or within tolerances where designs hold numbers."""
        ...

    def encoding_errors(self, designs: Sequence[D]) -> list[str]:
        """Per design: why it cannot be written exactly in the vocabulary, or an empty string."""
        ...

    def to_batch(self, designs: Sequence[D]) -> B: ...
    def from_batch(self, batch: B) -> list[D | None]: ...
    def features(self, designs: Sequence[D]) -> Array:
        """`n x f` features that a surrogate may read beside the latent; `n x 0` where there are none."""
        ...

    def describe(self, designs: Sequence[D]) -> dict[str, list[Any]]:
        """Columns that identify the designs in a candidate list (InChIKey, formula, ...)."""
        ...

    def draw(self, design: D) -> str:
        """The design as an SVG picture."""
        ...


Oracle = Callable[[Sequence[Any]], "Array | Sequence[float] | Sequence[Sequence[float]]"]
Validator = Callable[[Sequence[Any]], list[Check]]
Density = Callable[["Tensor"], "Tensor"]
FitDensity = Callable[["Tensor", "Tensor"], Density]
FitSurrogate = Callable[..., "Model"]
Acquire = Callable[[Landscape], "AcquisitionFunction"]
Propose = Callable[[Landscape, int], "Tensor"]
BuildVAE = Callable[[Domain[Any, Any]], "nn.Module"]
Evaluate = Callable[[Oracle, Sequence[Any]], Iterator[tuple[int, Outcome]]]
# (shortlist, an empty folder) -> the files that it wrote there, for those who make or simulate the designs.
Deliver = Callable[[Sequence[Candidate[Any]], Path], Sequence[Path]]
# (shortlist, all told, objectives) -> HTML or SVG by title, whole without a network; scripts in it stand inline.
Illustrate = Callable[[Sequence[Candidate[Any]], Sequence[Candidate[Any]], Sequence[Objective]], Mapping[str, str]]
