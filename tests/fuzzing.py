"""Malformed inputs: random changes of texts, and reading in a child process under limits of time and memory."""

from __future__ import annotations

import os
import random
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from invdesign.core import InvdesignError

N_INPUTS = int(os.environ.get("INVDESIGN_FUZZ", "120"))
"""Number of inputs; the environment raises it for a longer search."""
SEED = int(os.environ.get("INVDESIGN_FUZZ_SEED", "0"))
CPU_SECONDS, MEMORY = 2, 1 << 30
SECONDS_PER_ROW = 1e-4
"""Time for each row of a table, which has as many refusals as rows."""
MAX_CHARACTERS = 20_000_000
"""Largest text; a repeated long line would fill the memory."""
WORDS = (
    "nan", "inf", "-inf", "1e400", "-1", "0", "1e-300", "9" * 5000, "999999999", "?", ".", "'", '"', ";", "\0",
    "\u22125", "[[[[", "{}", "null", "1/3", "é", "１", "0x10", "1_0", "\t", "\n", "#", "--", ">", "<0.1", "=1+1",
    "1" * 400, "\ufeff", "\u202e", "\ud7ff", ",", "|", "$$$$", "()" * 500, "((((" * 300,
)  # fmt: skip


def mutate(text: str, rng: random.Random, words: Sequence[str]) -> str:
    """Return a text with some of its words, lines or characters replaced, repeated, removed or exchanged."""
    for _ in range(rng.randint(1, 4)):
        kind = rng.randrange(8)
        lines = text.split("\n")
        i = rng.randrange(len(lines))
        parts = lines[i].split(" ")
        j = rng.randrange(len(parts))
        if kind == 0:
            parts[j] = rng.choice(words)
        elif kind == 1:
            parts.insert(j, rng.choice(words))
        elif kind == 2:
            del parts[j]
        elif kind == 3:
            characters = sorted(set(parts[j])) or ["0"]
            parts[j] = parts[j].translate({ord(rng.choice(characters)): rng.choice("0123456789.xyz-C()=#[]@,")})
        lines[i] = " ".join(parts)
        if kind == 4:
            largest = max(1, MAX_CHARACTERS // (len(lines[i]) + 1))
            lines[i : i + 1] = [lines[i]] * min(rng.choice([2, 10, 100_000]), largest)
        elif kind == 5:
            del lines[i]
        elif kind == 6:
            k = rng.randrange(len(lines))
            lines[i], lines[k] = lines[k], lines[i]
        text = "\n".join(lines)
        if kind == 7:
            text = text[: rng.randrange(len(text) + 1)] + rng.choice(["", "\0" * 9, rng.choice(words) * 1000])
        text = text[:MAX_CHARACTERS] or " "
    return text


def find_faults(
    folder: Path,
    files: Mapping[str, Sequence[str]],
    check: Callable[[Path], str],
    *,
    words: Sequence[str] = WORDS,
    tables: Sequence[str] = (".csv", ".tsv", ".smi"),
) -> list[str]:
    """Return what goes wrong with random changes of files; the inputs with faults stay in the folder.

    Args:
        folder: Where inputs are written.
        files: Sound texts by suffix.
        check: Reads a file; returns what is wrong with what was read, an empty string where nothing is.
        words: Words that are put into texts.
        tables: Suffixes of tables, in which each row takes time.
    """
    rng = random.Random(SEED)
    faults = []
    for number in range(N_INPUTS):
        suffix = rng.choice(sorted(files))
        path = folder / f"{number}{suffix}"
        path.write_bytes(mutate(rng.choice(files[suffix]), rng, words).encode(errors="replace"))
        n_rows = path.read_bytes().count(b"\n") if suffix in tables else 0
        fault = _run_in_child(path, check, CPU_SECONDS + n_rows * SECONDS_PER_ROW)
        if fault:
            faults.append(f"{path.name}: {fault}; begins {path.read_bytes()[:200]!r}")
        else:
            path.unlink()
    return faults


def _run_in_child(path: Path, check: Callable[[Path], str], seconds: float) -> str:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        text = "died"
        try:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)
            resource.setrlimit(resource.RLIMIT_CPU, (int(10 * seconds),) * 2)
            text = _check_in_time(path, check, seconds)
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"[:300]
        finally:
            os.write(writer, text.encode(errors="replace"))
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        text = stream.read().decode()
    _, status = os.waitpid(child, 0)
    return text if status == 0 else f"ended with status {status}"


def _check_in_time(path: Path, check: Callable[[Path], str], seconds: float) -> str:
    start = time.process_time()
    try:
        return check(path)
    except InvdesignError:
        taken = time.process_time() - start
        return f"refused after {taken:.1f} s" if taken > seconds else ""
