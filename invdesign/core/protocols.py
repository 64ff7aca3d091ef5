"""Protocols and function types that plug-ins implement."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Bool

from invdesign.core.objectives import Objective
from invdesign.core.records import Array, B, Call, Candidate, Check, Corpus, D, Landscape, Outcome, Place

if TYPE_CHECKING:
    import torch
    from botorch.acquisition.acquisition import AcquisitionFunction
    from botorch.models.model import Model
    from torch import Tensor, nn

D_in = TypeVar("D_in", contravariant=True)
D_out = TypeVar("D_out", covariant=True)


@runtime_checkable
class DesignSpace(Protocol[D]):
    """Identity of designs, and their text form: all that the search needs of a domain."""

    @property
    def name(self) -> str:
        """Name of the domain, e.g. `"molecules"`; its shipped models lie in a folder of this name."""
        ...

    def key(self, design: D) -> str:
        """Return the canonical identity of a design; two designs with one key are the same thing."""
        ...

    def to_text(self, design: D) -> str:
        """Return a design as text without loss; `from_text` reads it."""
        ...

    def from_text(self, text: str) -> D:
        """Return the design that a text describes.

        Raises:
            InvdesignError: The text describes no design.
        """
        ...


@dataclass(frozen=True)
class EncodingShape:
    """Sizes of encoded designs: what a VAE builder reads."""

    length: int
    """Entries in the row of one design, e.g. tokens with the end token."""
    n_tokens: int = 0
    """Size of the vocabulary, special tokens included; 0 where designs are not rows of tokens."""
    has_fixed_length: bool = False
    """Whether every design fills its row: variants of one sequence, or an aligned family."""
    grammar: TokenGrammar | None = None
    """What every complete row obeys; None where any row may be a design."""


@runtime_checkable
class TokenGrammar(Protocol):
    """Rules that a decoder of tokens obeys while it writes (see `vae.grammar`)."""

    def start(self, n: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the state of `n` empty sequences."""
        ...

    def forbidden(self, state: tuple[Tensor, Tensor]) -> Tensor:
        """Return which tokens may not follow: `n x n_tokens`, true where one may not."""
        ...

    def follow(self, state: tuple[Tensor, Tensor], tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the state after one more token of each of `n` sequences."""
        ...


@runtime_checkable
class Encoding(Protocol[D, B]):
    """A fitted encoding of designs as tensors; a domain that is not fitted has none, by type.

    `encode` never raises on a design that the domain can read: what the vocabulary lacks becomes its unknown token, and
    `errors` names it.
    """

    @property
    def shape(self) -> EncodingShape:
        """Sizes of a batch."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what `fit` learnt, as JSON; `Encodable.restore` reads it."""
        ...

    def encode(self, designs: Sequence[D]) -> B:
        """Return `n` designs as a batch."""
        ...

    def decode(self, batch: B) -> list[D | None]:
        """Return the design of each row of a batch; None where a row is no design."""
        ...

    def errors(self, designs: Sequence[D]) -> list[str]:
        """Return for each design why it cannot be encoded exactly; an empty string where it can."""
        ...


@runtime_checkable
class Encodable(Protocol[D, B]):
    """Fitting of an encoding: what a VAE needs of a domain."""

    def settings(self) -> dict[str, Any]:
        """Return what `fit` depends on besides the designs, as JSON; it is part of the cache key of a model."""
        ...

    def fit(self, designs: Sequence[D]) -> Encoding[D, B]:
        """Return the encoding of a corpus: what must be learnt from it is a vocabulary, a length.

        Raises:
            InvdesignError: The corpus is empty or does not fit the domain.
        """
        ...

    def restore(self, state: Mapping[str, Any]) -> Encoding[D, B]:
        """Return the encoding of a stored model, from what `Encoding.state` returned.

        Raises:
            InvdesignError: The state is that of another domain or version.
        """
        ...


@runtime_checkable
class Domain(DesignSpace[D], Encodable[D, B], Protocol[D, B]):
    """A kind of design: molecules, crystals, sequences.

    These seven members are all that a domain must have. `Features`, `DesignFiles`, `Presentation` and `Equivalence` are
    optional; `core.capabilities` and `io.design_files` hold their defaults.
    """


@runtime_checkable
class Features(Protocol[D_in]):
    """Optional, of an encoding: features that a surrogate reads beside the latent."""

    def features(self, designs: Sequence[D_in]) -> Array:
        """Return `n x f` features of designs."""
        ...


@runtime_checkable
class Descriptors(Protocol[D_in]):
    """Optional, of an encoding: few descriptors of whole designs, for a surrogate with a parameter `n_descriptors`.

    A difference of 1 in a descriptor should matter: one that varies by less than .3 counts little.
    """

    def descriptors(self, designs: Sequence[D_in]) -> Array:
        """Return `n x p` descriptors of designs, `0 x p` of none; finite wherever the features are."""
        ...


@runtime_checkable
class PlacementCheck(Protocol[D_in]):
    """Optional, of an encoding: which designs a model cannot write, where `errors` also names limits of a design task.

    A design that breaks a limit of the task still has a place in the latent space.
    """

    def placement_errors(self, designs: Sequence[D_in]) -> list[str]:
        """Return for each design why a model cannot write it; an empty string where it can."""
        ...


@runtime_checkable
class Alphabet(Protocol):
    """Optional, of an encoding: what a model that was trained with it can write."""

    def describe_alphabet(self) -> str:
        """Return what a model can write, in words, e.g. elements and charges."""
        ...


@runtime_checkable
class ExactText(Protocol[D_out]):
    """Optional, of a domain: reads the texts that it wrote itself without parsing and checking them again.

    A ledger of 100,000 molecules opens some 30 times faster with it. Its checksums find altered texts.
    """

    def from_own_text(self, text: str) -> D_out:
        """Return the design that `to_text` of this domain wrote."""
        ...


@runtime_checkable
class Presentation(Protocol[D_in]):
    """Optional, of a domain: designs as people see them.

    A domain has all of these methods or none: one that has only some is shown by its texts.
    """

    def label(self, design: D_in) -> str:
        """Return what people call the design, on one line."""
        ...

    def describe(self, designs: Sequence[D_in]) -> dict[str, list[Any]]:
        """Return columns that identify designs in a candidate list (InChIKey, formula, ...), by heading."""
        ...

    def draw(self, design: D_in) -> str:
        """Return the design as an SVG picture."""
        ...


@runtime_checkable
class Alignable(Protocol[D]):
    """Optional, of a domain: designs can be brought into the columns of an aligned family."""

    def align(self, designs: Sequence[D], family: Sequence[D]) -> list[D]:
        """Return designs in the columns of a family.

        Args:
            designs: Designs of any length.
            family: Aligned designs.

        Raises:
            InvdesignError: The family is not aligned.
        """
        ...


@runtime_checkable
class Anatomy(Protocol[D_in]):
    """Optional, of a domain: the parts of a design, for scores that say where they come from."""

    def places(self, design: D_in) -> list[Place]:
        """Return the parts of a design, in a fixed order."""
        ...

    def draw_places(self, design: D_in, strengths: Sequence[float]) -> str:
        """Return the design as an SVG picture with its parts marked.

        Args:
            design: The design.
            strengths: From 0 (not marked) to 1, one for each of `places`.
        """
        ...


@runtime_checkable
class Substitutable(Protocol[D]):
    """Optional, of a domain with places: designs that differ from a design in one place."""

    def substitutions(self, design: D) -> list[list[tuple[str, D]]]:
        """Return for each of `places` the changes that are possible there, each with its name."""
        ...


@runtime_checkable
class PartReplacement(Protocol[D]):
    """Optional, of a domain with places: what a classifier of replaced parts is trained on."""

    def replace_parts(self, designs: Sequence[D], *, seed: int) -> list[tuple[D, Bool[np.ndarray, " k"]]]:
        """Return designs with a random part replaced by one of another kind, and which of their places are replaced.

        A design is left out where none of its parts can be replaced.
        """
        ...

    def measure_places(self, design: D) -> Array:
        """Return numbers that describe each place and what lies around it, `k x f`; NaN where not known.

        Places at the end may be left out. A design that cannot be measured has no rows.
        """
        ...


@runtime_checkable
class DesignFiles(Protocol[D]):
    """Optional, of a domain: its own file formats.

    A domain has all of these members or none: the designs of one that has only some are read and written as texts.
    """

    @property
    def formats(self) -> tuple[str, ...]:
        """Suffixes of the formats, the lossless one first, e.g. `(".smi", ".sdf", ".svg")`."""
        ...

    def read(self, path: Path) -> Corpus[D]:
        """Read designs from a file; rows that cannot be used are rejections of the corpus."""
        ...

    def write(self, designs: Sequence[D], path: Path, *, columns: Mapping[str, Sequence[Any]] | None = None) -> None:
        """Write designs into a file of one of the formats, with further columns where the format has them."""
        ...


@runtime_checkable
class Equivalence(Protocol[D_in]):
    """Optional, of a domain: designs that hold numbers are the same within tolerances."""

    def is_same(self, first: D_in, second: D_in) -> bool:
        """Return whether the second design can stand for the first."""
        ...


@runtime_checkable
class Constrained(Protocol[D]):
    """Domains with conditions that every proposed design meets."""

    def adapt(self, design: D) -> D | None:
        """Return a similar design that meets the conditions, the same one where it does; None where there is none."""
        ...


@runtime_checkable
class NamedUnits(Protocol):
    """Optional, of a domain: properties whose values mean nothing without their unit."""

    def possible_units(self, name: str) -> tuple[str, ...]:
        """Return the units that a property of this name may be in; empty where its name leaves nothing open."""
        ...


@runtime_checkable
class Sanity(Protocol[D_in]):
    """Optional, of a domain: measures that tell designs from nonsense."""

    def quality(self, designs: Sequence[D_in]) -> dict[str, Array]:
        """Return measures of designs by name, `n` values each; NaN where one does not apply.

        The measure `"nonsense"` is 1 for a design that no expert would consider, else 0.
        """
        ...


@runtime_checkable
class Traits(Protocol[D_in]):
    """Optional, of a domain: features of designs that have names, by which people describe a group of them."""

    def traits(self, designs: Sequence[D_in]) -> list[frozenset[str]]:
        """Return for each design the names of what it has, e.g. a functional group, an element or a short word."""
        ...


@runtime_checkable
class Screened(Protocol):
    """Optional, of a domain: checks that a design must pass where a campaign in Python states none of its own."""

    def default_screens(self) -> tuple[Validator, ...]:
        """Return cheap checks before the oracle."""
        ...


@runtime_checkable
class Typicality(Protocol[D_in]):
    """Optional, of an encoding: what is rarer in the corpus than among decoded designs."""

    def penalties(self, designs: Sequence[D_in]) -> Array:
        """Return the nats (0 or more) by which decoded designs are less likely than for their decoder, `n`.

        Where a decoder offers several designs for a latent, the one with the largest log-likelihood less its penalty
        is taken.
        """
        ...


@runtime_checkable
class Resemblance(Protocol[D_in]):
    """Optional, of a domain: similarity of designs, for people who judge what is new."""

    @property
    def resemblance(self) -> str:
        """Name of the similarity, e.g. `"Tanimoto similarity"`."""
        ...

    def resemblances(self, designs: Sequence[D_in], others: Sequence[D_in]) -> Array:
        """Return the similarity of `n` designs to `k` others, `n x k`, from 0 to 1 for the same."""
        ...


@dataclass(frozen=True)
class ComputedProperty:
    """A property that a domain computes of its designs, without measuring."""

    measure: Oracle
    """Computes it of `n` designs; NaN where it is not defined."""
    unit: str = ""
    """Its unit."""


@runtime_checkable
class Computable(Protocol):
    """Optional, of a domain: properties that it computes in milliseconds, for maps, directions and sensitivities."""

    def computed_properties(self) -> Mapping[str, ComputedProperty]:
        """Return them by name, with `size` among them."""
        ...


@runtime_checkable
class Scaffolded(Protocol[D_in]):
    """Optional, of a domain: the part of a design that chemists keep when they change the rest."""

    def scaffold(self, design: D_in) -> str | None:
        """Return the scaffold as text, e.g. ring systems and linkers; None where a design has none."""
        ...


@runtime_checkable
class Preparable(Protocol):
    """Optional, of an oracle: loading of what it needs, before a VAE is trained.

    `core.capabilities.prepare_with` gives this method to an oracle that is a function.
    """

    def prepare(self) -> None:
        """Load what the oracle needs, e.g. a table or a trained model.

        Raises:
            InvdesignError: It is missing.
        """
        ...


@runtime_checkable
class Sourced(Protocol):
    """Optional, of an oracle: what its values are.

    `core.capabilities.stating` gives this attribute to an oracle that is a function.
    """

    source: Any
    """`"measured"`, `"computed"` or `"predicted"`, a `ValueSource`, a list with one for each property, or a function
    that returns one of these."""


Oracle = Callable[[Sequence[Any]], "Array | Sequence[float] | Sequence[Sequence[float]]"]
"""Measures `n` designs: `n` or `n x m` properties; NaN where one could not be measured, never 0 for a failure.

An oracle that loads something heavy is `Preparable` too.
"""
Validator = Callable[[Sequence[Any]], list[Check]]
"""Checks `n` designs; a screen acts before measuring, a validator before export."""
Density = Callable[["Tensor"], "Tensor"]
"""Differentiable log p(z) of real designs, `... x d -> ...`."""
FitDensity = Callable[["Tensor", "Tensor"], Density]
"""Fits a density to posteriors, given their `n x d` means and standard deviations."""
FitSurrogate = Callable[..., "Model"]
"""Fits a BoTorch model to `n x (d + f)` inputs and `n x m` utilities: `(X, U, *, d) -> Model`.

The last fallback of a failed fit passes `noise_floor`, the smallest noise variance that a model may have. A function
with a parameter `previous` gets the model of the round before, or None, whose computations it may extend; the
predictions must not depend on it beyond rounding. A function with a parameter `n_descriptors` gets inputs that end with
this number of descriptors, see `Descriptors`.
"""
Acquire = Callable[[Landscape], "AcquisitionFunction"]
"""Makes an acquisition function, which also selects a batch."""
Propose = Callable[[Landscape, int], "Tensor"]
"""Proposes `n x d` latent points worth decoding."""
BuildVAE = Callable[[Encoding[Any, Any]], "nn.Module"]
"""Builds an untrained VAE for an encoding."""


@dataclass(frozen=True, eq=False)
class OracleSetup:
    """An oracle, with what an executor must know to run it."""

    oracle: Oracle
    """Measures designs."""
    n_outputs: int | None = None
    """`m`, the number of properties; None where it is not known."""
    domain: DesignSpace[Any] | None = None
    """Writes designs as text, for executors that send files."""
    folder: Path | None = None
    """Folder of the run, for executors whose calls outlive this process."""


@runtime_checkable
class Executor(Protocol):
    """A place where one oracle runs: calls are submitted, polled and cancelled by their identifiers.

    Every submitted call gets one outcome: measured, or the reason why there is no value. An oracle that raises an
    error, hangs, crashes its process or returns nonsense concerns only the designs of its call.

    Example:
        >>> from invdesign.core import Call, Outcome
        >>> class Immediate:
        ...     name, is_durable, capacity = "immediate", False, None
        ...     def __init__(self, setup):
        ...         self.setup, self.finished = setup, []
        ...     def submit(self, calls):
        ...         values = self.setup.oracle([call.design for call in calls])
        ...         self.finished += [(call.id, Outcome((y,))) for call, y in zip(calls, values)]
        ...     def poll(self, seconds):
        ...         finished, self.finished = self.finished, []
        ...         return finished
        ...     def cancel(self, ids):
        ...         self.finished = [(id, outcome) for id, outcome in self.finished if id not in ids]
        ...     def close(self):
        ...         pass
        >>> executor = Immediate(OracleSetup(lambda designs: [len(design) for design in designs]))
        >>> executor.submit([Call("C1", "CCO")])
        >>> [(id, outcome.y) for id, outcome in executor.poll(1.0)]
        [('C1', (3,))]
    """

    @property
    def name(self) -> str:
        """Name of the place, for the record of its calls."""
        ...

    @property
    def is_durable(self) -> bool:
        """Whether calls outlive this process: `submit` then collects a call whose identifier it knows already."""
        ...

    @property
    def capacity(self) -> int | None:
        """Number of further calls that can be submitted now; None without a limit."""
        ...

    def submit(self, calls: Sequence[Call[Any]]) -> None:
        """Start calls.

        Raises:
            InvdesignError: The place cannot run the oracle.
        """
        ...

    def poll(self, seconds: float) -> list[tuple[str, Outcome]]:
        """Return identifiers and outcomes of calls that finished; wait at most about `seconds` for the first.

        What is returned together became known together, and is recorded together. Each outcome is returned once.

        Raises:
            InvdesignError: The oracle returns another number of properties than `n_outputs`.
        """
        ...

    def cancel(self, ids: Collection[str]) -> None:
        """Stop calls, or give their answers up where they cannot be stopped; they get no outcome."""
        ...

    def close(self) -> None:
        """Release the place. Calls that do not outlive this process end."""
        ...


MakeExecutor = Callable[[OracleSetup], Executor]
"""Opens a place for an oracle."""
Deliver = Callable[[Sequence[Candidate[Any]], Path], Sequence[Path]]
"""Writes files for those who make or simulate the shortlist into an empty folder, and returns their paths."""
Illustrate = Callable[[Sequence[Candidate[Any]], Sequence[Candidate[Any]], Sequence[Objective]], Mapping[str, str]]
"""Draws figures of the shortlist, given all evaluated candidates: HTML or SVG by title, complete without a network."""
