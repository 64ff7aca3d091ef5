"""The sequence domain: what the rest of the house asks of proteins, DNA and RNA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from invdesign.core import Array, Corpus, InvdesignError
from invdesign.domains.sequences.alphabet import GAP, letters_of, reverse_complement
from invdesign.domains.sequences.io import files, writing
from invdesign.domains.sequences.naturalness import weights
from invdesign.domains.sequences.output import drawing
from invdesign.domains.sequences.wild_type.design_constraints import Scope
from invdesign.domains.sequences.wild_type.wild_type import SUBSTITUTION, WildType
from invdesign.vae.models.aligned import AlignedVAE
from invdesign.vae.models.sequence import SequenceVAE
from invdesign.vae.tokens import END, PAD, SPECIAL, UNKNOWN

LEARNT = ("kind", "length", "max_length", "gaps")
MAX_LABEL_LENGTH = 60


@dataclass(frozen=True)
class Sequences:
    """Sequences as texts of capital letters; batches are rows of token numbers (`n x row_length`, int64).

    What the VAE decodes stays within the limits that are set here, the budget of mutations apart: a letter that is not
    allowed at its place becomes the wild type's, and what is still out of bounds is no design.

    Args:
        kind: `"protein"`, `"dna"`, `"rna"`, or the letters themselves.
        length: letters of every design; `"fixed"` takes the wild type's, or the one that the corpus has. None where
            designs differ in length: then the end is a token that the VAE writes.
        max_length: letters of the longest design where lengths differ; `fit` lowers it to a tenth above the longest of
            the corpus.
        gaps: whether `-` is a letter, as in aligned families.
        wild_type: what positions and mutations are counted on.
        designable: number of each residue that may change, with the letters allowed there, empty for all.
        fixed: numbers of residues that must stay.
        forbidden: letters that a mutation may not bring in.
        max_mutations: edits from the wild type that are allowed.
        min_length: letters of the shortest design where lengths differ.
        both_strands: whether DNA is double: a strand and its reverse complement are one design, and cost one call.
        vocabulary: the tokens; set by `fit`.
    """

    kind: str = "protein"
    length: int | Literal["fixed"] | None = None
    max_length: int = 512
    gaps: bool = False
    wild_type: WildType | None = None
    designable: Mapping[int, str] = field(default_factory=dict, hash=False)
    fixed: Sequence[int] = ()
    forbidden: str = ""
    max_mutations: int | None = None
    min_length: int = 1
    both_strands: bool = False
    vocabulary: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "fixed", tuple(int(number) for number in self.fixed))
        own = None if self.wild_type is None else len(self.wild_type.sequence)
        if self.length == "fixed" and own is not None:
            object.__setattr__(self, "length", own)
        if isinstance(self.length, int) and own not in (None, self.length):
            raise InvdesignError(
                f"sequences: every design has {self.length} letters, but the wild type has {own}; "
                "say length: fixed, or give the wild type of these designs"
            )
        if isinstance(self.length, int) and self.length < 1:
            raise InvdesignError(f"sequences: length must be at least 1, got {self.length}")
        if self.both_strands and self.kind != "dna":
            raise InvdesignError(f"sequences: both_strands is for DNA, but kind is {self.kind!r}; leave it out")
        if not 1 <= self.min_length <= self.max_length:
            raise InvdesignError(
                f"sequences: lengths must run from 1 upwards, got min_length={self.min_length}, "
                f"max_length={self.max_length}"
            )
        assert self.scope  # its limits are checked where they are set

    @property
    def name(self) -> str:
        return "sequences"

    @property
    def formats(self) -> tuple[str, ...]:
        return writing.WRITTEN

    @property
    def letters(self) -> str:
        """What a design is written in; the gap is the last letter where gaps are allowed."""
        return letters_of(self.kind) + (GAP if self.gaps else "")

    @property
    def row_length(self) -> int:
        """Tokens in a row: the letters, and the end where lengths differ."""
        return self.length if isinstance(self.length, int) else self.max_length + 1

    @cached_property
    def scope(self) -> Scope:
        """The limits of the design task."""
        is_fixed = isinstance(self.length, int)
        return Scope(
            self.letters,
            self.wild_type,
            self.designable,
            self.fixed,
            self.forbidden,
            self.max_mutations,
            self.row_length if is_fixed else self.min_length,
            self.row_length if is_fixed else self.max_length,
        )

    def read(
        self,
        path: Path,
        *,
        sequence_column: str | None = None,
        properties: Mapping[str, str] | None = None,
        weight_column: str | None = None,
        on_invalid: files.OnInvalid = "skip",
    ) -> Corpus[str]:
        """Sequences of a FASTA, A2M, GenBank or table file, plain or .gz; see `files.read`."""
        return files.read(
            path,
            kind=self.kind,
            sequence_column=sequence_column,
            properties=properties,
            weight_column=weight_column,
            wild_type=self.wild_type,
            gaps=self.gaps,
            max_length=self.scope.max_length,
            on_invalid=on_invalid,
        )

    def write(self, designs: Sequence[str], path: Path, *, columns: Mapping[str, Sequence[Any]] | None = None) -> None:
        """Write .fasta (with mutations and predictions in its headers), .csv or .svg."""
        writing.write(designs, path, columns=columns, wild_type=self.wild_type)

    def key(self, design: str) -> str:
        """The design itself; of double DNA the strand that comes first in the alphabet."""
        return min(design, reverse_complement(design)) if self.both_strands else design

    def is_same(self, first: str, second: str) -> bool:
        return first == second

    def label(self, design: str) -> str:
        """The mutations where they are few, otherwise the sequence, its middle left out where it is long."""
        if self.wild_type is not None:
            mutations = self.wild_type.mutations(design)
            text = ";".join(mutations) or self.wild_type.name
            if len(text) <= MAX_LABEL_LENGTH:
                return text
        if len(design) <= MAX_LABEL_LENGTH:
            return design
        return f"{design[:24]}...{design[-12:]} ({len(design)} letters)"

    def to_text(self, design: str) -> str:
        return design

    def from_text(self, text: str) -> str:
        """The design that a person wrote: its letters, or mutations of the wild type such as `A108D;V11L`.

        Raises:
            InvdesignError: other letters.
        """
        found = "".join(text.split())
        strange = sorted(set(found) - set(self.letters))
        if found and not strange:
            return found
        words = found.replace(",", ";").strip(";").split(";")
        if self.wild_type is not None and all(SUBSTITUTION.fullmatch(word) for word in words):
            design = self.wild_type.mutated(words)
            if not set(design) - set(self.letters):
                return design
        reason = f"letters {', '.join(map(repr, strange))} are not of {self.letters}" if found else "it is empty"
        raise InvdesignError(f"{text[:60]!r} is no sequence: {reason}")

    def fit(self, designs: Sequence[str]) -> Sequences:
        """The domain with its tokens and its length.

        Raises:
            InvdesignError: designs of other letters, or longer or shorter than is set.
        """
        if not designs:
            raise InvdesignError("sequences: nothing to learn from; give a corpus of at least one sequence")
        strange = sorted(set().union(*map(set, designs)) - set(self.letters))
        if strange:
            raise InvdesignError(
                f"sequences: the corpus has letters {', '.join(map(repr, strange))}, the domain {self.letters}; give "
                "the corpus the kind (and the gaps) of the domain"
            )
        sizes = sorted(set(map(len, designs)))
        length, max_length = self.length, self.max_length
        if length is None:
            own = 0 if self.wild_type is None else len(self.wild_type.sequence)
            if sizes[-1] > max_length:
                raise InvdesignError(
                    f"sequences: the corpus has designs of {sizes[-1]:,} letters, max_length is {max_length:,}; raise "
                    "the "
                    "domain's max_length, or lower the corpus's"
                )
            max_length = min(max_length, max(own, sizes[-1] + max(1, sizes[-1] // 10)))
        elif len(sizes) > 1 or length not in ("fixed", sizes[0]):
            wanted = "one length" if length == "fixed" else f"{length} letters"
            raise InvdesignError(
                f"sequences: expected designs of {wanted}, got {sizes[0]:,} to {sizes[-1]:,} letters; align the "
                "corpus, leave out the others (corpus.min_length, corpus.max_length), check the wild type, which gives "
                "the "
                "length, or let lengths differ (domain.length=null)"
            )
        else:
            length = sizes[0]
        return replace(self, length=length, max_length=max_length, vocabulary=(*SPECIAL, *self.letters))

    def state(self) -> dict[str, Any]:
        """What the model depends on; the limits of the design task are no part of it."""
        vocabulary = None if self.vocabulary is None else list(self.vocabulary)
        return {"domain": self.name, **{name: getattr(self, name) for name in LEARNT}, "vocabulary": vocabulary}

    def restore(self, state: Mapping[str, Any]) -> Sequences:
        """The domain as a model was made for it, with the limits that are set here."""
        if state.get("domain") != self.name:
            raise InvdesignError(f"expected the state of the domain 'sequences', got that of {state.get('domain')!r}")
        try:
            learnt = {name: state[name] for name in LEARNT}
            vocabulary = None if state["vocabulary"] is None else tuple(state["vocabulary"])
        except (KeyError, TypeError) as error:
            raise InvdesignError(f"sequences: this state is of another version ({error})") from error
        return replace(self, **learnt, vocabulary=vocabulary)

    def model(self, architecture: Mapping[str, Any]) -> AlignedVAE | SequenceVAE:
        settings = dict(architecture)
        kind = AlignedVAE if "n_filters" in settings else SequenceVAE
        return kind(settings.pop("n_tokens"), settings.pop("length"), **settings)

    def encoding_errors(self, designs: Sequence[str]) -> list[str]:
        return [self._misfit(design) for design in designs]

    def to_batch(self, designs: Sequence[str]) -> Tensor:
        """`n x row_length` token numbers; an unknown letter becomes the unknown token, what is too long is cut."""
        vocabulary, width = self._fitted(), self.row_length
        batch = np.full((len(designs), width), PAD, dtype=np.int64)
        codes = np.full(max(map(ord, self.letters)) + 2, UNKNOWN)
        codes[[ord(letter) for letter in self.letters]] = np.arange(UNKNOWN + 1, len(vocabulary))
        for row, design in zip(batch, designs, strict=True):
            points = np.frombuffer(design[:width].encode("utf-32-le", "surrogatepass"), dtype="<u4")
            row[: len(points)] = codes[np.minimum(points, len(codes) - 1)]
            if len(design) < width:
                row[len(design)] = END
        return torch.from_numpy(batch)

    def from_batch(self, batch: Tensor) -> list[str | None]:
        """The design of each row; None where it is out of bounds, by more than the budget of mutations."""
        if not len(batch):
            return []
        # The end is the character 0, other special tokens 1, which no alphabet has.
        symbols = np.array([chr(1), chr(0), chr(1), *self._fitted()[UNKNOWN + 1 :]])
        rows = np.ascontiguousarray(symbols[batch.cpu().numpy()])
        texts = rows.view(f"<U{rows.shape[1]}")[:, 0].tolist()
        return [self._restored(text.split("\0", 1)[0]) for text in texts]

    def features(self, designs: Sequence[str]) -> Array:
        """One-hot letters, `n x (max_length * n_letters)`, position by position; all zero behind the end."""
        max_length = self.length if isinstance(self.length, int) else self.max_length
        return weights.one_hot(designs, self.letters, max_length).reshape(len(designs), -1).astype(np.float64)

    def describe(self, designs: Sequence[str]) -> dict[str, list[Any]]:
        """Mutations, length, and what an order form or a first look asks for; see `writing.describe`."""
        return writing.describe(designs, kind=self.kind, wild_type=self.wild_type)

    def draw(self, design: str) -> str:
        return drawing.svg(design, kind=self.kind, wild_type=self.wild_type)

    @cached_property
    def _bounds(self) -> Scope:
        """The scope without a budget: what a decoded design must keep."""
        return replace(self.scope, max_mutations=None)

    def _fitted(self) -> tuple[str, ...]:
        if self.vocabulary is None:
            raise InvdesignError("sequences: no vocabulary yet; call `fit(designs)` or `restore(state)` first")
        return self.vocabulary

    def _restored(self, text: str) -> str | None:
        if "\1" in text:
            return None
        is_limited = self.designable or self.fixed or self.forbidden
        design = self._bounds.restored(text) if is_limited else text
        return None if self._bounds.trouble(design) else design

    def _misfit(self, design: str) -> str:
        self._fitted()
        strange = sorted(set(design) - set(self.letters))
        return f"letters {', '.join(map(repr, strange[:5]))}" if strange else self._bounds.trouble(design)
