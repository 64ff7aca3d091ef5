"""Encoding of a corpus that lies on disk, shard by shard in several processes."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from invdesign.core import B, Corpus, D, Domain, Encoding, InvdesignError, Progress, silent
from invdesign.io.atomic import write_bytes
from invdesign.io.locks import hold
from invdesign.io.process_pools import n_cores, run_tasks
from invdesign.io.ragged_shards import ragged, read_shard, whole_shard, write_shard
from invdesign.io.stored_designs import StoredDesigns, texts_of
from invdesign.vae.stored_tokens import StoredTokens
from invdesign.vae.tokens import END, PAD, UNKNOWN

logger = logging.getLogger(__name__)
MAX_LEARNT = 100_000
"""Designs of a corpus on disk from which its encoding is learnt, evenly spaced."""
BATCH = 2000
INDEX = "index.json"


def fit_encoding(domain: Domain[D, B], corpus: Corpus[D]) -> Encoding[D, B]:
    """Return the encoding of a corpus; where that lies on disk, it is learnt from a part of it."""
    step = -(-len(corpus) // MAX_LEARNT) if isinstance(corpus.designs, StoredDesigns) else 1
    return domain.fit(corpus.designs if step == 1 else corpus.designs[::step])


def encode_stored(
    encoding: Encoding[D, B],
    corpus: Corpus[D],
    *,
    cache: Path | None = None,
    workers: int = 0,
    progress: Progress = silent,
) -> StoredTokens:
    """Return a corpus on disk as rows of token numbers on disk; what was encoded before is kept.

    A symbol that the encoding lacks becomes the unknown token, and a longer row is cut, as in `Encoding.encode`; a
    warning in the log states how many designs that concerns.

    Args:
        encoding: An encoding of tokens.
        corpus: Designs on disk.
        cache: Folder of the rows; by default beside the corpus.
        workers: Number of processes; 0 for one a core.
        progress: Called with `(stage, done, total)`.

    Raises:
        InvdesignError: The designs are not in shards on disk, or not written as tokens.
    """
    designs: Any = corpus.designs
    if not (isinstance(designs, StoredDesigns) and encoding.shape.n_tokens):
        raise InvdesignError("encoding: expected designs on disk that are written as tokens. Load the corpus in memory")
    text = json.dumps([corpus.sha256, encoding.state()], sort_keys=True, default=str)
    parent = designs.folder.parent.parent if cache is None else cache
    folder = parent / "encoded" / hashlib.sha256(text.encode()).hexdigest()[:24]
    folder.mkdir(parents=True, exist_ok=True)
    n_shards = len(designs.rows.starts) - 1
    with hold(folder / "lock"):
        missing = [i for i in range(n_shards) if whole_shard(folder, i) is None]
        done = len(corpus) - sum(_size(designs, i) for i in missing)
        for i in run_tasks(
            _encode_shard, ((designs.folder, i, folder, encoding) for i in missing), workers or n_cores()
        ):
            progress("encoding the corpus", done, len(corpus))
            done += _size(designs, i)
        if missing or not (folder / INDEX).is_file():
            _write_index(folder, n_shards, len(corpus))
    return StoredTokens(folder, [_size(designs, i) for i in range(n_shards)], encoding.shape.length)


def _size(designs: StoredDesigns, i: int) -> int:
    return int(designs.rows.starts[i + 1] - designs.rows.starts[i])


def _encode_shard(source: Path, i: int, folder: Path, encoding: Encoding[str, Tensor]) -> int:
    """Encode the designs of one shard, write its rows, and return its number."""
    rows = read_shard(source, i)
    texts = texts_of(rows, np.arange(len(rows)))
    kind = np.uint8 if encoding.shape.n_tokens <= 256 else np.uint16
    flat, sizes, n_inexact = [np.zeros(0, dtype=kind)], [0], 0
    for start in range(0, len(texts), BATCH):
        batch = encoding.encode(texts[start : start + BATCH])
        is_token = batch != PAD
        is_cut = is_token[:, -1] & (batch[:, -1] != END)
        n_inexact += int(((batch == UNKNOWN).any(1) | is_cut).sum())
        flat.append(batch[is_token].numpy().astype(kind))
        sizes += is_token.sum(1).tolist()
    write_shard(folder, i, ragged(np.concatenate(flat), sizes[1:]), {"n_inexact": n_inexact})
    return i


def _write_index(folder: Path, n_shards: int, n: int) -> None:
    """Write how many designs are not encoded exactly, and warn of them."""
    n_inexact = sum((whole_shard(folder, i) or {"n_inexact": 0})["n_inexact"] for i in range(n_shards))
    write_bytes(folder / INDEX, json.dumps({"designs": n, "inexact": n_inexact}).encode())
    if n_inexact:
        logger.warning(
            "%s of %s designs of the corpus have symbols or a length that its evenly spaced %s designs lack; they are "
            "trained on with an unknown symbol or cut",
            f"{n_inexact:,}",
            f"{n:,}",
            f"{min(n, MAX_LEARNT):,}",
        )
