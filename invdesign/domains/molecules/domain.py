"""The molecule domain: what the rest of the house asks of molecules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import Descriptors, rdFingerprintGenerator, rdMolDescriptors
from torch import Tensor

from invdesign.core import Array, Corpus, InvdesignError
from invdesign.domains.molecules import drawing, files, writing
from invdesign.domains.molecules.smiles import (
    MAX_TEXT_LENGTH,
    Representation,
    canonical,
    decode_selfies,
    encode_selfies,
    molecule,
    parse,
    tokenize_smiles,
)
from invdesign.vae.models.sequence import SequenceVAE
from invdesign.vae.tokens import Vocabulary, learn_vocabulary


@dataclass(frozen=True)
class Molecules:
    """Molecules as canonical isomeric SMILES strings; batches are rows of token numbers (`n x length`, int64).

    Args:
        representation: how a molecule is spelt for the VAE: `"selfies"` (every string is a molecule) or `"smiles"`.
        n_merges: byte-pair merges that `fit` learns over the symbols; more merges make shorter sequences.
        max_length: `fit` never makes rows longer than this many tokens, end mark included.
        vocabulary: learnt by `fit`.
        length: tokens in a row, end mark included; learnt by `fit`.
        radius: radius of the Morgan count fingerprints that are the features.
        n_bits: their width.

    References:
        Krenn et al., Mach. Learn.: Sci. Technol. 2020, doi:10.1088/2632-2153/aba947 (SELFIES);
        Rogers and Hahn, J. Chem. Inf. Model. 2010, doi:10.1021/ci100050t (Morgan fingerprints).
    """

    representation: Representation = "selfies"
    n_merges: int = 0
    max_length: int = 128
    vocabulary: Vocabulary | None = None
    length: int = 0
    radius: int = 3
    n_bits: int = 2048

    def __post_init__(self) -> None:
        if self.representation not in ("selfies", "smiles"):
            raise InvdesignError(
                f"molecules: representation must be 'selfies' or 'smiles', got {self.representation!r}"
            )
        for field in ("max_length", "n_bits"):
            if getattr(self, field) < 2:
                raise InvdesignError(f"molecules: {field} must be at least 2, got {getattr(self, field)!r}")

    @property
    def name(self) -> str:
        return "molecules"

    @property
    def formats(self) -> tuple[str, ...]:
        return writing.WRITTEN

    def read(
        self,
        path: Path,
        *,
        smiles_column: str | None = None,
        properties: Mapping[str, str] | None = None,
        weight_column: str | None = None,
        on_invalid: files.OnInvalid = "skip",
    ) -> Corpus[str]:
        """Molecules of a .smi, .txt, .csv, .tsv or .sdf file, plain or .gz; see `files.read`."""
        return files.read(
            path, smiles_column=smiles_column, properties=properties, weight_column=weight_column, on_invalid=on_invalid
        )

    def write(self, designs: Sequence[str], path: Path, *, columns: Mapping[str, Sequence[Any]] | None = None) -> None:
        """Write .smi, .csv, .sdf (with 3-D conformers), or a picture grid (.svg, .png)."""
        writing.write(designs, path, columns=columns)

    def key(self, design: str) -> str:
        """The design itself: it is canonical SMILES."""
        return design

    def label(self, design: str) -> str:
        return design

    def to_text(self, design: str) -> str:
        return design

    def from_text(self, text: str) -> str:
        """The design that a person wrote as any SMILES.

        Raises:
            InvdesignError: where the text is no molecule.
        """
        mol, reason = parse(text)
        if mol is None:
            raise InvdesignError(f"{text[:80]!r} is no molecule: {reason}; expected a SMILES string")
        return Chem.MolToSmiles(mol)

    def fit(self, designs: Sequence[str]) -> Molecules:
        """Learn the vocabulary and the length of a row from a corpus."""
        if not designs:
            raise InvdesignError("molecules: cannot learn a vocabulary from an empty corpus; check its rejected rows")
        sequences = [self._symbols(design)[0] for design in designs]
        vocabulary = learn_vocabulary(sequences, n_merges=self.n_merges)
        max_length = max(len(tokens) for tokens in vocabulary.tokenize(sequences)) + 1
        return replace(self, vocabulary=vocabulary, length=min(max_length, self.max_length))

    def state(self) -> dict[str, Any]:
        return {
            "domain": self.name,
            "representation": self.representation,
            "n_merges": self.n_merges,
            "max_length": self.max_length,
            "length": self.length,
            "radius": self.radius,
            "n_bits": self.n_bits,
            "vocabulary": None if self.vocabulary is None else self.vocabulary.to_json(),
        }

    def restore(self, state: Mapping[str, Any]) -> Molecules:
        if state.get("domain", self.name) != self.name:
            raise InvdesignError(f"expected the state of the domain 'molecules', got that of {state['domain']!r}")
        vocabulary = state["vocabulary"]
        return replace(
            self,
            representation=state["representation"],
            n_merges=int(state["n_merges"]),
            max_length=int(state["max_length"]),
            length=int(state["length"]),
            radius=int(state["radius"]),
            n_bits=int(state["n_bits"]),
            vocabulary=None if vocabulary is None else Vocabulary.from_json(vocabulary),
        )

    def model(self, architecture: Mapping[str, Any]) -> SequenceVAE:
        settings = dict(architecture)
        return SequenceVAE(settings.pop("n_tokens"), settings.pop("length"), **settings)

    def is_same(self, first: str, second: str) -> bool:
        return self.key(first) == self.key(second)

    def encoding_errors(self, designs: Sequence[str]) -> list[str]:
        return [self._misfit(design) for design in designs]

    def to_batch(self, designs: Sequence[str]) -> Tensor:
        """`n x length` token numbers; what the vocabulary lacks becomes its unknown token."""
        return self._fitted().encode([self._symbols(design)[0] for design in designs], self.length)

    def from_batch(self, batch: Tensor) -> list[str | None]:
        """Canonical SMILES per row, None where a row spells no molecule; equal rows are decoded once."""
        spelt: dict[str, str | None] = {}
        answer = []
        for symbols in self._fitted().decode(batch):
            text = "".join(symbols)
            if text not in spelt:
                spelt[text] = self._read_symbols(symbols, text)
            answer.append(spelt[text])
        return answer

    def features(self, designs: Sequence[str]) -> Array:
        """`n x n_bits` Morgan count fingerprints (no chirality); a row of NaN where a design cannot be parsed."""
        generator = rdFingerprintGenerator.GetMorganGenerator(radius=self.radius, fpSize=self.n_bits)
        rows = np.full((len(designs), self.n_bits), np.nan)
        for i, design in enumerate(designs):
            mol = molecule(design)
            if mol is not None:
                rows[i] = generator.GetCountFingerprintAsNumPy(mol)
        return rows

    def describe(self, designs: Sequence[str]) -> dict[str, list[Any]]:
        """InChIKey, molecular formula and molecular weight (g/mol); None where a design cannot be parsed."""
        mols = [molecule(design) for design in designs]
        with drawing.quiet():
            return {
                "inchikey": [None if m is None else (Chem.MolToInchiKey(m) or None) for m in mols],
                "formula": [None if m is None else rdMolDescriptors.CalcMolFormula(m) for m in mols],
                "molecular_weight": [None if m is None else round(Descriptors.MolWt(m), 3) for m in mols],
            }

    def draw(self, design: str) -> str:
        return drawing.svg(design)

    def _fitted(self) -> Vocabulary:
        if self.vocabulary is None:
            raise InvdesignError("molecules: no vocabulary yet; call `fit(designs)` or `restore(state)` first")
        return self.vocabulary

    def _symbols(self, design: str) -> tuple[list[str], str]:
        if len(design) > MAX_TEXT_LENGTH:
            return [], f"{len(design):,} characters, more than {MAX_TEXT_LENGTH:,}"
        if self.representation == "smiles":
            tokens = tokenize_smiles(design)
            return tokens, "" if "".join(tokens) == design else "text that no SMILES token covers"
        return encode_selfies(design)

    def _read_symbols(self, symbols: Sequence[str], text: str) -> str | None:
        if len(text) > 4 * MAX_TEXT_LENGTH:
            return None
        smiles = decode_selfies(symbols) if self.representation == "selfies" else text
        return None if smiles is None else canonical(smiles)

    def _misfit(self, design: str) -> str:
        vocabulary = self._fitted()
        symbols, reason = self._symbols(design)
        if reason:
            return reason
        missing = vocabulary.unknown(symbols)
        if missing:
            return f"the corpus had no {', '.join(missing[:5])}"
        n_tokens = len(vocabulary.tokenize([symbols])[0]) + 1
        if n_tokens > self.length:
            return f"{n_tokens} tokens, more than the {self.length} of a row"
        if self._read_symbols(symbols, "".join(symbols)) != design:
            return "written and read again it is another molecule"
        return ""
