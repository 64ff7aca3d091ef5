"""Corpora of molecules: the built-in one, ZINC250k, and tables of the user's own."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import rdkit
from rdkit import Chem
from rdkit.Chem import Descriptors

from invdesign.core import Corpus, InvdesignError, Progress, Rejection, silent
from invdesign.domains.molecules import files, grammar
from invdesign.domains.molecules.smiles import parse
from invdesign.domains.molecules.writing import replace_file
from invdesign.io.corpora import make_corpus

ZINC250K_URL = "https://raw.githubusercontent.com/wenhao-gao/mol_opt/2da631b/data/zinc.txt.gz"
ZINC250K_SHA256 = "df0aa677c770f15c9943684d6600cba8e7076c67be6a090c12f24da3aaa55b70"

MAX_DOWNLOAD = 50_000_000
MAX_UNPACKED = 100_000_000
MAX_RATIO = 50
MAX_SLACK = 100_000
CACHE_FORMAT = 1


def fragments(
    *,
    n: int = 20_000,
    seed: int = 0,
    weight_range: tuple[float, float] = (150.0, 500.0),
    progress: Progress = silent,
) -> Corpus[str]:
    """The built-in corpus: distinct drug-like molecules drawn from a fragment grammar of our own.

    The same arguments give the same molecules, offline, at about 2,000 molecules per second.

    Args:
        n: how many; the first `k` of a longer corpus are the corpus of length `k`.
        seed: of the random draws.
        weight_range: lowest and highest molecular weight (g/mol).
        progress: called now and then with ("generating", done, n).

    Raises:
        InvdesignError: where `n` is not positive or the grammar runs dry.
    """
    if n < 1:
        raise InvdesignError(f"fragments: n must be at least 1, got {n!r}")
    low, high = weight_range
    rng = random.Random(seed)
    designs: dict[str, None] = {}
    drawn = 0
    while len(designs) < n:
        if drawn > 1_000 + 50 * n:
            raise InvdesignError(
                f"fragments: only {len(designs):,} of {n:,} molecules between {low:g} and {high:g} g/mol after "
                f"{drawn:,} draws; ask for fewer or widen weight_range"
            )
        if drawn % 1_000 == 0:
            progress("generating", len(designs), n)
        drawn += 1
        mol, _ = parse(grammar.molecule(rng))
        if mol is not None and low <= Descriptors.MolWt(mol) <= high:
            designs.setdefault(Chem.MolToSmiles(mol))
    progress("generating", n, n)
    return make_corpus(tuple(designs), name="fragments")


def table(
    path: str | Path,
    *,
    smiles_column: str | None = None,
    properties: Mapping[str, str] | None = None,
    weight_column: str | None = None,
    on_invalid: files.OnInvalid = "skip",
    salts: files.Salts = "keep",
    max_designs: int | None = None,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Corpus[str]:
    """The molecules of a file of the user's: .smi, .txt, .csv, .tsv or .sdf, plain or gzipped.

    Args:
        path: the file.
        smiles_column: the column of a table that holds SMILES; found by its name where it is not given.
        properties: measured properties, our name -> column (or SD tag).
        weight_column: column of non-negative training weights.
        on_invalid: `"skip"` reports bad rows in `rejected`, `"error"` stops at the first.
        salts: keep molecules in several pieces, take the largest piece, or refuse them.
        max_designs: read no more than this many molecules.
        cache: folder for the parsed corpus, keyed by the content of the file and these options; parsing a quarter of
            a million molecules takes about 100 s, taking them from the cache about one.
        progress: called now and then with ("reading", rows done, lines of the file).

    Raises:
        InvdesignError: as `files.read`.
    """
    path = Path(path)
    options: dict[str, Any] = {
        "smiles_column": smiles_column,
        "properties": dict(properties or {}),
        "weight_column": weight_column,
        "on_invalid": on_invalid,
        "salts": salts,
        "max_designs": max_designs,
    }
    if cache is None:
        return files.read(path, **options, progress=progress)
    key = {"file": _file_sha256(path), "name": path.name, "rdkit": rdkit.__version__, "format": CACHE_FORMAT, **options}
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    place = Path(cache) / f"molecules-{digest[:16]}.json.gz"
    known = _load(place)
    if known is not None:
        return known
    fresh = files.read(path, **options, progress=progress)
    _save(fresh, place)
    return fresh


def zinc250k(
    path: str | Path | None = None,
    *,
    max_designs: int | None = None,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Corpus[str]:
    """ZINC250k: 249,455 purchasable drug-like molecules with stereo and charges.

    Args:
        path: a file with its SMILES, one a line (.smi, .txt, .gz); downloaded once and checked where not given.
        max_designs: read no more than this many molecules.
        cache: folder for the download and the parsed corpus; the user's cache folder where not given.
        progress: called now and then with ("reading", rows done, lines of the file).

    Raises:
        InvdesignError: where neither a file nor the network gives the data, or its checksum is another.

    References:
        Irwin et al., J. Chem. Inf. Model. 2012, doi:10.1021/ci3001277 (ZINC);
        Gomez-Bombarelli et al., ACS Cent. Sci. 2018, doi:10.1021/acscentsci.7b00572 (the subset).
    """
    folder = Path(cache) if cache is not None else platformdirs.user_cache_path("invdesign")
    source = Path(path) if path is not None else download_zinc250k(folder)
    found = table(source, max_designs=max_designs, cache=folder, progress=progress)
    return Corpus(
        designs=found.designs,
        rejected=found.rejected,
        name="zinc250k",
        sha256=found.sha256,
        properties=found.properties,
    )


def download_zinc250k(folder: Path) -> Path:
    """Fetch ZINC250k over https into a folder, check it against its pinned sha256, and say where it lies."""
    place = folder / "zinc250k.smi"
    if place.exists() and _file_sha256(place) == ZINC250K_SHA256:
        return place
    remedy = "give the file itself instead: corpus.path=/path/to/zinc250k.smi.gz"
    try:
        with urllib.request.urlopen(ZINC250K_URL, timeout=60) as answer:
            packed = answer.read(MAX_DOWNLOAD + 1)
    except (urllib.error.URLError, OSError) as error:
        raise InvdesignError(f"cannot download {ZINC250K_URL}: {error}; {remedy}") from error
    if len(packed) > MAX_DOWNLOAD:
        raise InvdesignError(f"{ZINC250K_URL} sent more than {MAX_DOWNLOAD:,} bytes; {remedy}")
    text = only_file(packed)
    found = hashlib.sha256(text).hexdigest()
    if found != ZINC250K_SHA256:
        raise InvdesignError(f"{ZINC250K_URL}: expected sha256 {ZINC250K_SHA256}, got {found}; {remedy}")
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(place, text)
    return place


def only_file(packed: bytes, *, most: int = MAX_UNPACKED, ratio: int = MAX_RATIO) -> bytes:
    """The one plain file in a gzipped tar.

    Nothing is written, so no name can lead out of a folder; links, devices and further files are refused, and so is
    what unpacks to more than `most` bytes, or to `ratio` times its packed size and 100 kB.
    """
    limit = min(most, max(MAX_SLACK, ratio * len(packed)))
    try:
        with gzip.GzipFile(fileobj=BytesIO(packed)) as stream:
            raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise InvdesignError(f"an archive that unpacks to more than {limit:,} bytes: refused")
        with tarfile.open(fileobj=BytesIO(raw), mode="r:") as archive:
            members = archive.getmembers()
            if len(members) != 1 or not members[0].isreg():
                names = ", ".join(member.name for member in members[:5])
                raise InvdesignError(f"expected an archive of one plain file, got {len(members)} members: {names}")
            content = archive.extractfile(members[0])
            assert content is not None  # it is a plain file
            return content.read()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise InvdesignError(f"not a gzipped tar: {error}") from error


def _load(place: Path) -> Corpus[str] | None:
    """A parsed corpus from the cache; None where there is none, or where it is damaged and must be made again."""
    if not place.exists():
        return None
    try:
        state = json.loads(gzip.decompress(place.read_bytes()))
        weights = state["weights"]
        found = make_corpus(
            tuple(state["designs"]),
            properties={name: np.array(values, dtype=float) for name, values in state["properties"].items()},
            weights=None if weights is None else np.array(weights, dtype=float),
            rejected=tuple(Rejection(**rejection) for rejection in state["rejected"]),
            name=state["name"],
        )
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None
    return found if found.sha256 == state["sha256"] else None


def _save(corpus: Corpus[str], place: Path) -> None:
    state = {
        "designs": corpus.designs,
        "properties": {name: values.tolist() for name, values in corpus.properties.items()},
        "weights": None if corpus.weights is None else corpus.weights.tolist(),
        "rejected": [vars(rejection) for rejection in corpus.rejected],
        "name": corpus.name,
        "sha256": corpus.sha256,
    }
    place.parent.mkdir(parents=True, exist_ok=True)
    replace_file(place, gzip.compress(json.dumps(state).encode(), compresslevel=3, mtime=0))


def _file_sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InvdesignError(f"cannot read {path}: {error}. Check the path") from error
