"""The domain of sequences: proteins, DNA and RNA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from invdesign.core import Array, ComputedProperty, Corpus, EncodingShape, InvdesignError, Place
from invdesign.core.transformations import Transformation
from invdesign.domains.sequences import statements
from invdesign.domains.sequences.alphabet import GAP, canonical_kind, letters_of, reverse_complement
from invdesign.domains.sequences.io import files, writing
from invdesign.domains.sequences.io.alignment import align_to_family
from invdesign.domains.sequences.mutation_lists import MutationLists
from invdesign.domains.sequences.naturalness import weights
from invdesign.domains.sequences.output import drawing
from invdesign.domains.sequences.sanity import measure_sanity
from invdesign.domains.sequences.surroundings import letter_places
from invdesign.domains.sequences.symmetries import symmetry
from invdesign.domains.sequences.wild_type.design_constraints import DesignConstraints
from invdesign.domains.sequences.wild_type.notation import is_wild_type
from invdesign.domains.sequences.wild_type.residue_lists import ResidueList, parse_residues
from invdesign.domains.sequences.wild_type.residue_numbering import number_residues
from invdesign.domains.sequences.wild_type.wild_type import WildType, distance
from invdesign.vae.tokens import END, PAD, SPECIAL, UNKNOWN

FITTED = ("kind", "length", "max_length", "gaps", "representation")
"""Settings that `fit` decides or depends on; the limits of the design task are not part of a model."""
MAX_LABEL_LENGTH = 60
Representation = Literal["letters", "mutations"]


@dataclass(frozen=True)
class Sequences:
    """Sequences as texts of capital letters.

    Decoded sequences stay within the limits that are set here, except for the number of mutations: a letter that is not
    allowed at its position becomes the wild type's, and a sequence that is still out of bounds is no design.

    Example:
        >>> Sequences("dna", both_strands=True).key("TTTT")
        'AAAA'
    """

    kind: str = "protein"
    """`"protein"`, `"dna"`, `"rna"` in any case, or the letters themselves."""
    length: int | Literal["fixed"] | None = None
    """Letters of every design; `"fixed"` takes the length of the wild type or of the corpus. None where designs differ
    in length: then the end is a token that the VAE writes."""
    max_length: int = 512
    """Letters of the longest design where lengths differ; `fit` lowers it to 1.1 times the longest of the corpus."""
    gaps: bool = False
    """Whether `-` is a letter, as in aligned families."""
    wild_type: WildType | None = None
    """Sequence to which positions and mutations refer."""
    designable: ResidueList = field(default_factory=dict, hash=False)
    """Residues that may change: numbers and ranges such as `[10, "12-20"]`, or a mapping of them to the letters allowed
    there; an empty string allows all."""
    fixed: ResidueList = ()
    """Residues that must not change: numbers and ranges."""
    forbidden: str = ""
    """Letters that a mutation may not introduce."""
    max_mutations: int | None = None
    """Largest number of edits from the wild type."""
    min_length: int = 1
    """Letters of the shortest design where lengths differ."""
    both_strands: bool = False
    """Whether DNA is double-stranded: a strand and its reverse complement are one design, and cost one call."""
    representation: Representation = "letters"
    """Rows that the VAE reads and writes: `"letters"`, or `"mutations"`, lists of the mutations of a wild type that has
    the length of every design.

    Variants of one protein hold few nats (GFP 25, AAV 19), all of them in their mutations. As lists they are short, so
    that an autoregressive decoder is fast and the latent space can be held close to what the variants hold."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", canonical_kind(self.kind))
        object.__setattr__(self, "designable", parse_residues(self.designable, self.wild_type))
        object.__setattr__(self, "fixed", tuple(parse_residues(self.fixed, self.wild_type)))
        own = None if self.wild_type is None else len(self.wild_type.sequence)
        if self.length == "fixed" and own is not None:
            object.__setattr__(self, "length", own)
        if isinstance(self.length, int) and own not in (None, self.length):
            raise InvdesignError(
                f"sequences: expected a wild type of length={self.length}, got {own} letters. Set length: fixed, "
                "or give the wild type of these designs"
            )
        if isinstance(self.length, int) and self.length < 1:
            raise InvdesignError(f"sequences: length must be at least 1, got {self.length}")
        if self.both_strands and self.kind != "dna":
            raise InvdesignError(f"sequences: both_strands needs kind='dna', got {self.kind!r}. Leave it out")
        if not 1 <= self.min_length <= self.max_length:
            raise InvdesignError(
                f"sequences: expected 1 <= min_length <= max_length, got min_length={self.min_length}, "
                f"max_length={self.max_length}"
            )
        if self.representation not in get_args(Representation):
            raise InvdesignError(
                f"sequences: representation must be one of {', '.join(get_args(Representation))}, "
                f"got {self.representation!r}"
            )
        if self.representation == "mutations" and not (self.wild_type and isinstance(self.length, int)):
            raise InvdesignError(
                "sequences: representation='mutations' needs a wild type and length='fixed', got "
                f"length={self.length!r} and {'a' if self.wild_type else 'no'} wild type. Set both, or leave it out"
            )
        assert self.constraints  # its limits are checked now

    @property
    def name(self) -> str:
        """Name of the domain."""
        return "sequences"

    @property
    def formats(self) -> tuple[str, ...]:
        """Suffixes of the formats that can be written."""
        return writing.WRITTEN

    @property
    def letters(self) -> str:
        """Letters of a design; the gap is the last one where gaps are allowed."""
        return letters_of(self.kind) + (GAP if self.gaps else "")

    @property
    def row_length(self) -> int:
        """Tokens in a row: the letters, and the end token where lengths differ."""
        return self.length if isinstance(self.length, int) else self.max_length + 1

    @cached_property
    def constraints(self) -> DesignConstraints:
        """Limits of the design task."""
        is_fixed = isinstance(self.length, int)
        return DesignConstraints(
            self.letters,
            self.wild_type,
            parse_residues(self.designable),
            tuple(parse_residues(self.fixed)),
            self.forbidden,
            self.max_mutations,
            self.row_length if is_fixed else self.min_length,
            self.row_length if is_fixed else self.max_length,
        )

    def adapt(self, design: str) -> str | None:
        """Return the design where it meets the limits of the task, else one with fewer mutations; None without any."""
        if not self.constraints.violation(design):
            return design
        repaired = self.constraints.limit_mutations(self.constraints.repair(design))
        return None if self.constraints.violation(repaired) else repaired

    def read(
        self,
        path: Path,
        *,
        sequence_column: str | None = None,
        properties: Mapping[str, str] | None = None,
        weight_column: str | None = None,
        on_invalid: files.OnInvalid = "skip",
    ) -> Corpus[str]:
        """Read a FASTA, A2M, GenBank or table file, plain or .gz; see `files.read`."""
        return files.read(
            path,
            kind=self.kind,
            sequence_column=sequence_column,
            properties=properties,
            weight_column=weight_column,
            wild_type=self.wild_type,
            gaps=self.gaps,
            max_length=self.constraints.max_length,
            on_invalid=on_invalid,
        )

    def write(self, designs: Sequence[str], path: Path, *, columns: Mapping[str, Sequence[Any]] | None = None) -> None:
        """Write .fasta (with mutations and predictions in its headers), .csv or .svg."""
        writing.write(designs, path, columns=columns, wild_type=self.wild_type)

    def key(self, design: str) -> str:
        """Return the design itself; of double-stranded DNA the strand that sorts first."""
        return min(design, reverse_complement(design)) if self.both_strands else design

    def label(self, design: str) -> str:
        """Return the mutations where they are few, otherwise the sequence, abbreviated where it is long."""
        if self.wild_type is not None:
            mutations = self.wild_type.mutations(design)
            text = ";".join(mutations) or self.wild_type.name
            if len(text) <= MAX_LABEL_LENGTH:
                return text
        if len(design) <= MAX_LABEL_LENGTH:
            return design
        return f"{design[:24]}...{design[-12:]} ({len(design)} letters)"

    def to_text(self, design: str) -> str:
        """Return the design itself."""
        return design

    def from_own_text(self, text: str) -> str:
        """Return the text itself: a design is its letters."""
        return text

    def from_text(self, text: str) -> str:
        """Return the design of a text: its letters, or mutations of the wild type such as `A108D;V11L`.

        Mutations are read in every notation of `parse_variant`, so a label or a cell that was written is read again.

        Raises:
            InvdesignError: The text has other letters, or a mutation does not fit the wild type.
        """
        found = "".join(text.split())
        strange = sorted(set(found) - set(self.letters))
        is_name = is_wild_type(text) or (self.wild_type is not None and text.strip() == self.wild_type.name)
        # "WT" is also a peptide of two letters.
        if self.wild_type is not None and is_name and (strange or isinstance(self.length, int)):
            return self.wild_type.sequence
        if found and not strange:
            return found
        if self.wild_type is not None and any(letter.isdigit() for letter in found):
            design = self.wild_type.apply_mutations([text])
            design = design if self.gaps else design.replace(GAP, "")
            if not set(design) - set(self.letters):
                return design
        got = f"letters {', '.join(map(repr, strange))}" if found else "an empty text"
        raise InvdesignError(f"{text[:60]!r}: expected a sequence of the letters {self.letters}, got {got}")

    def settings(self) -> dict[str, Any]:
        """Return what `fit` depends on, as JSON; the limits of the design task are not part of it."""
        return {name: getattr(self, name) for name in FITTED}

    def fit(self, designs: Sequence[str]) -> SequenceEncoding:
        """Return the encoding of a corpus: its tokens and its length.

        Raises:
            InvdesignError: The corpus is empty, has other letters, or designs of other lengths than are set.
        """
        if not designs:
            raise InvdesignError(
                "sequences: expected a corpus of at least one sequence, got none. Check its rejections"
            )
        strange = sorted(set().union(*map(set, designs)) - set(self.letters))
        if strange:
            raise InvdesignError(
                f"sequences: expected a corpus of the letters {self.letters}, got {', '.join(map(repr, strange))}. "
                "Give the corpus the kind and the gaps of the domain"
            )
        sizes = sorted(set(map(len, designs)))
        length, max_length = self.length, self.max_length
        if length is None:
            max_length = self._fitted_max_length(sizes[-1])
        elif len(sizes) > 1 or length not in ("fixed", sizes[0]):
            expected = "one length" if length == "fixed" else f"{length} letters"
            raise InvdesignError(
                f"sequences: expected designs of {expected}, got {sizes[0]:,} to {sizes[-1]:,} letters. Align the "
                "corpus, leave out the others (corpus.min_length, corpus.max_length), check the wild type, which sets "
                "the length, or let lengths differ (domain.length=null)"
            )
        else:
            length = sizes[0]
        domain = replace(self, length=length, max_length=max_length)
        if self.wild_type is None or self.representation == "letters":
            return SequenceEncoding(domain)
        lists = MutationLists(self.wild_type.sequence, self.letters, 1)
        n_mutations = max(len(lists.changes(design)) for design in designs)
        return SequenceEncoding(domain, n_mutations + max(1, n_mutations // 10))

    def restore(self, state: Mapping[str, Any]) -> SequenceEncoding:
        """Return the encoding of a stored model, with the limits that are set here.

        Raises:
            InvdesignError: The state is that of another domain or version.
        """
        try:
            fitted = {name: state[name] for name in FITTED}
            is_listed = fitted["representation"] == "mutations"
            n_mutations, own = (int(state["n_mutations"]), state["wild_type"]) if is_listed else (0, None)
            tokens = state["vocabulary"]
        except (KeyError, TypeError, ValueError) as error:
            raise InvdesignError(
                f"sequences: the state is that of another domain or version ({type(error).__name__}: {error})"
            ) from error
        encoding = SequenceEncoding(replace(self, **fitted), n_mutations)
        if own is not None and own != encoding.domain.wild_type.sequence:  # type: ignore[union-attr]
            raise InvdesignError("sequences: the model lists mutations of another wild type. Train again")
        if list(encoding.vocabulary) != list(tokens):
            raise InvdesignError("sequences: the state is that of another version: its tokens differ. Train again")
        return encoding

    def describe(self, designs: Sequence[str]) -> dict[str, list[Any]]:
        """Return mutations, length, and what an order form needs; see `writing.describe`."""
        return writing.describe(designs, kind=self.kind, wild_type=self.wild_type)

    def computed_properties(self) -> dict[str, ComputedProperty]:
        """Return charge, hydropathy and the like of proteins, GC content of DNA, and the number of letters."""
        from invdesign.domains.sequences.oracles import physics

        size = ComputedProperty(_count_letters, "letters")
        if self.kind == "protein":
            found = {
                "charge": ComputedProperty(physics.charge, "e"),
                "gravy": ComputedProperty(physics.gravy),
                "aromaticity": ComputedProperty(physics.aromaticity),
                "instability": ComputedProperty(physics.instability),
                "isoelectric_point": ComputedProperty(physics.isoelectric_point),
                "hydrophobic_moment": ComputedProperty(physics.hydrophobic_moment),
            }
        else:
            found = {"gc_content": ComputedProperty(physics.gc_content)} if self.kind in ("dna", "rna") else {}
        return {name: _without_gaps(computed) for name, computed in found.items()} | {"size": size}

    def quality(self, designs: Sequence[str]) -> dict[str, Array]:
        """Return the longest run of one letter, the entropy of the composition, and the number of substitutions.

        Nonsense is a long run or a composition of few letters; see `sanity.measure_sanity`.
        """
        return measure_sanity(designs, kind=self.kind, wild_type=self.wild_type)

    def traits(self, designs: Sequence[str]) -> list[frozenset[str]]:
        """Return mutations of a wild type of the same length; else words of 3 amino acids or of 5 nucleotides."""
        own = self.wild_type
        n = 3 if self.kind == "protein" else 5
        found = []
        for design in designs:
            if own is not None and len(design) == len(own.sequence):
                found.append(frozenset(own.mutations(design)))
                continue
            letters = design.replace(GAP, "")
            found.append(frozenset(letters[i : i + n] for i in range(len(letters) - n + 1)))
        return found

    @property
    def resemblance(self) -> str:
        """Name of the similarity that `resemblances` returns."""
        return "identity"

    def resemblances(self, designs: Sequence[str], others: Sequence[str]) -> Array:
        """Return 1 minus the number of edits over the length of the longer sequence, `n x k`, without gaps."""
        first, second = ([design.replace(GAP, "") for design in group] for group in (designs, others))
        rows = [[1 - distance(a, b) / max(len(a), len(b), 1) for b in second] for a in first]
        return np.array(rows, dtype=np.float64).reshape(len(designs), len(others))

    def draw(self, design: str) -> str:
        """Return the sequence as SVG, its mutations marked."""
        return drawing.svg(design, kind=self.kind, wild_type=self.wild_type)

    def align(self, designs: Sequence[str], family: Sequence[str]) -> list[str]:
        """Return sequences in the columns of an aligned family; see `alignment.align_to_family`."""
        return align_to_family(designs, family)

    def places(self, design: str) -> list[Place]:
        """Return the letters, with what lies up to 2 letters beside them."""
        return letter_places(design, is_aligned=self.length is not None)

    def draw_places(self, design: str, strengths: Sequence[float]) -> str:
        """Return the sequence as SVG with its letters marked."""
        return drawing.svg(design, kind=self.kind, wild_type=self.wild_type, strengths=strengths)

    def substitutions(self, design: str) -> list[list[tuple[str, str]]]:
        """Return for each letter the sequences with another one there that the limits of the task allow."""
        numbers, _ = number_residues(design, self.wild_type)
        bounds = replace(self.constraints, max_mutations=None)
        changes = []
        for i, own in enumerate(design):
            others = [letter for letter in self.letters if letter not in (own, GAP) and own != GAP]
            tried = [(f"{own}{numbers[i]}{letter}", design[:i] + letter + design[i + 1 :]) for letter in others]
            changes.append([(name, text) for name, text in tried if not bounds.violation(text)])
        return changes

    def statements(self, designs: Sequence[str]) -> list[frozenset[str]]:
        """Return residues by name and repeats in words; see `statements`."""
        return statements.find_statements(designs, kind=self.kind)

    def extremes(self) -> Mapping[str, tuple[str, str]]:
        """Return the words for short and long, anionic and cationic sequences and so on."""
        return statements.extremes(self.kind)

    def synonyms(self) -> dict[str, str]:
        """Return other words for statements."""
        return statements.SYNONYMS

    def transformation(self, text: str) -> Transformation[str]:
        """Return the symmetry that a text names: reverse complement, reverse, rotate; see `symmetries.symmetry`."""
        length = self.length if isinstance(self.length, int) else None
        return symmetry(text, kind=self.kind, length=length, identify=str)

    def _fitted_max_length(self, longest: int) -> int:
        """Return the largest length of an encoding, given the longest design of the corpus."""
        if longest > self.max_length:
            raise InvdesignError(
                f"sequences: expected designs of at most max_length={self.max_length:,} letters, got {longest:,} in "
                "the corpus. Raise the domain's max_length, or lower the corpus's"
            )
        own = 0 if self.wild_type is None else len(self.wild_type.sequence)
        return min(self.max_length, max(own, longest + max(1, longest // 10)))


def _without_gaps(computed: ComputedProperty) -> ComputedProperty:
    return replace(computed, measure=lambda designs: computed.measure([design.replace(GAP, "") for design in designs]))


def _count_letters(designs: Sequence[str]) -> Array:
    return np.array([float(len(design.replace(GAP, ""))) for design in designs])


@dataclass(frozen=True)
class SequenceEncoding:
    """Sequences as rows of token numbers, `n x row_length`, int64."""

    domain: Sequences
    """The domain with the lengths of the corpus."""
    n_mutations: int = 0
    """Largest number of mutations in a list; 0 where rows are letters."""

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """The tokens: three special ones, then the letters; of lists of mutations the positions before them."""
        return (*SPECIAL, *self.domain.letters) if self._lists is None else self._lists.vocabulary

    @property
    def shape(self) -> EncodingShape:
        """Sizes of a batch."""
        if self._lists is not None:
            return EncodingShape(self._lists.row_length, len(self.vocabulary))
        return EncodingShape(self.domain.row_length, len(self.vocabulary), isinstance(self.domain.length, int))

    @cached_property
    def _lists(self) -> MutationLists | None:
        """The rows of lists of mutations; None where rows are letters."""
        own = self.domain.wild_type
        if own is None or self.domain.representation == "letters":
            return None
        return MutationLists(own.sequence, self.domain.letters, self.n_mutations)

    def state(self) -> dict[str, Any]:
        """Return what the model depends on, as JSON; the limits of the design task are not part of it."""
        listed = {} if self._lists is None else {"n_mutations": self.n_mutations, "wild_type": self._lists.wild_type}
        return {**self.domain.settings(), **listed, "vocabulary": list(self.vocabulary)}

    def encode(self, designs: Sequence[str]) -> Tensor:
        """Return `n x row_length` token numbers; an unknown letter is the unknown token, a long design is truncated."""
        if self._lists is not None:
            return self._lists.encode(designs)
        letters, width = self.domain.letters, self.domain.row_length
        batch = np.full((len(designs), width), PAD, dtype=np.int64)
        codes = np.full(max(map(ord, letters)) + 2, UNKNOWN)
        codes[[ord(letter) for letter in letters]] = np.arange(UNKNOWN + 1, len(self.vocabulary))
        for row, design in zip(batch, designs, strict=True):
            points = np.frombuffer(design[:width].encode("utf-32-le", "surrogatepass"), dtype="<u4")
            row[: len(points)] = codes[np.minimum(points, len(codes) - 1)]
            if len(design) < width:
                row[len(design)] = END
        return torch.from_numpy(batch)

    def decode(self, batch: Tensor) -> list[str | None]:
        """Return the design of each row; None where it is out of bounds other than by its number of mutations."""
        if not len(batch):
            return []
        if self._lists is not None:
            return [None if text is None else self._repair(text) for text in self._lists.decode(batch)]
        # The end is the character 0, other special tokens are 1, which no alphabet has.
        symbols = np.array([chr(1), chr(0), chr(1), *self.vocabulary[UNKNOWN + 1 :]])
        rows = np.ascontiguousarray(symbols[batch.cpu().numpy()])
        texts = rows.view(f"<U{rows.shape[1]}")[:, 0].tolist()
        return [self._repair(text.split("\0", 1)[0]) for text in texts]

    def errors(self, designs: Sequence[str]) -> list[str]:
        """Return for each design why it cannot be encoded exactly; an empty string where it can."""
        return [self._error(design) for design in designs]

    def placement_errors(self, designs: Sequence[str]) -> list[str]:
        """Return why a model cannot write a design: its letters or its length, whatever the design task allows."""
        return [self._placement_error(design) for design in designs]

    def describe_alphabet(self) -> str:
        """Return the letters and the lengths that a model can write."""
        domain = self.domain
        lengths = (
            f"{domain.length}" if isinstance(domain.length, int) else f"{domain.min_length} to {domain.max_length}"
        )
        return f"the letters {domain.letters}, {lengths} of them"

    def features(self, designs: Sequence[str]) -> Array:
        """Return one-hot letters, `n x (max_length * n_letters)`, position by position; all zero behind the end."""
        domain = self.domain
        longest = domain.length if isinstance(domain.length, int) else domain.max_length
        return weights.one_hot(designs, domain.letters, longest).reshape(len(designs), -1).astype(np.float64)

    @cached_property
    def _bounds(self) -> DesignConstraints:
        """The limits without that of the number of mutations: what a decoded design must keep."""
        return replace(self.domain.constraints, max_mutations=None)

    def _repair(self, text: str) -> str | None:
        """Return a decoded text with forbidden letters replaced by the wild type's; None where it is no design."""
        if "\1" in text:
            return None
        is_limited = self.domain.designable or self.domain.fixed or self.domain.forbidden
        design = self._bounds.repair(text) if is_limited else text
        return None if self._bounds.violation(design) else design

    def _error(self, design: str) -> str:
        return self._strange_letters(design) or self._bounds.violation(design) or self._placement_error(design)

    def _strange_letters(self, design: str) -> str:
        strange = sorted(set(design) - set(self.domain.letters))
        return f"letters {', '.join(map(repr, strange[:5]))}" if strange else ""

    def _placement_error(self, design: str) -> str:
        domain = self.domain
        strange = self._strange_letters(design)
        if strange:
            return strange
        if isinstance(domain.length, int) and len(design) != domain.length:
            return f"{len(design)} letters, not {domain.length}"
        if len(design) > domain.max_length and not isinstance(domain.length, int):
            return f"{len(design)} letters, more than {domain.max_length}"
        if self._lists is None:
            return ""
        n = len(self._lists.changes(design))
        return f"{n} mutations, more than the {self.n_mutations} of a row" if n > self.n_mutations else ""
