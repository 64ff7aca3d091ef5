"""Benchmark: corpora of 10 million molecules on disk, training in two processes, surrogates of 100,000 measurements.

`make` writes the corpus: every molecule of ZINC250k with each of 41 counter-ions, as a salt form. The components of
such a SMILES are canonical, and in the order in which RDKit writes them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from botorch.models.model import Model
from torch import Tensor

from invdesign.core import Corpus
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.oracles import logp
from invdesign.domains.molecules.sharded import sharded
from invdesign.domains.molecules.smiles import canonical
from invdesign.io.stored_designs import StoredDesigns
from invdesign.latent.auxiliary_targets import auxiliary_targets
from invdesign.latent.key_filter import KeyFilter
from invdesign.latent.stored_encoding import encode_stored, fit_encoding
from invdesign.surrogate import MinMaxKernel, tanimoto_gp
from invdesign.surrogate.diagnostics import spearman
from invdesign.vae.build import sequence_vae
from invdesign.vae.processes import join_processes
from invdesign.vae.training import Recipe, train

COUNTER_IONS = """
Cl Br I F O [Na+] [K+] [Li+] [Cl-] [Br-] [I-] N CO CCO CC#N CS(C)=O CN(C)C=O CC(C)=O CC(=O)O O=CO O=C(O)O
O=C(O)C(F)(F)F O=C(O)C(=O)O O=C(O)CC(=O)O O=C(O)CCC(=O)O O=C(O)C=CC(=O)O CS(=O)(=O)O O=S(=O)(O)O O=P(O)(O)O
O=[N+]([O-])O CCN CCNCC CCN(CC)CC NCCO OCCO c1ccccc1 Cc1ccccc1 ClCCl ClC(Cl)Cl CCOCC C1CCOC1
"""

N_INDUCING, BATCH = 2000, 100
N_PREDICTED = 500
"""Molecules whose log P a surrogate predicts."""


def main() -> None:
    """Run one part, and add its figures to the file beside this one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("make", "read", "parse", "encode", "keys", "train", "speed", "surrogate"))
    parser.add_argument("--zinc", type=Path, help="canonical SMILES, one a line, e.g. of ZINC250k")
    parser.add_argument("--folder", type=Path, default=Path("scale"), help="folder of the corpus and its shards")
    parser.add_argument("-n", type=int, default=10_000_000)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    parts: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
        "make": make,
        "read": read,
        "parse": parse,
        "encode": encode,
        "keys": keys,
        "train": train_by_shards,
        "speed": speed,
        "surrogate": surrogate,
    }
    with watched() as found:
        start = time.perf_counter()
        figures = parts[arguments.part](arguments)
        figures |= {"seconds": round(time.perf_counter() - start, 1), "load": round(os.getloadavg()[0], 1)}
    if not join_processes().rank:
        figures |= {**found, "machine": f"{os.cpu_count()} cores, {platform.machine()}"}
        name = figures.pop("name", arguments.part)
        known = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
        arguments.out.write_text(json.dumps({**known, name: figures}, indent=1) + "\n")
        print(name, json.dumps(figures))


@contextmanager
def watched() -> Iterator[dict[str, Any]]:
    """Provide the peak memory [MB] and the CPU time [s] of this process and its children; shared pages count once."""
    found: dict[str, Any] = {"peak memory [MB]": 0, "CPU seconds": 0}
    seconds: dict[int, float] = {}
    is_done = threading.Event()

    def watch() -> None:
        own = psutil.Process()
        while not is_done.wait(0.5):
            total = 0
            for process in (own, *own.children(recursive=True)):
                try:
                    total += process.memory_full_info().pss
                    seconds[process.pid] = sum(process.cpu_times()[:2])
                except psutil.Error:
                    continue
            found["peak memory [MB]"] = max(found["peak memory [MB]"], total // 1_000_000)
            found["CPU seconds"] = round(sum(seconds.values()))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        is_done.set()
        thread.join()


def make(arguments: argparse.Namespace) -> dict[str, Any]:
    """Write the corpus."""
    ions = [ion for ion in map(canonical, COUNTER_IONS.split()) if ion]
    designs = arguments.zinc.read_text().split()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    n = 0
    with (arguments.folder / "salts.smi").open("w") as file:
        for ion in ions:
            for design in designs[: arguments.n - n]:
                file.write(".".join(sorted((design, ion))) + "\n")
            n += len(designs[: arguments.n - n])
    return {"n": n, "bytes": (arguments.folder / "salts.smi").stat().st_size}


def load(arguments: argparse.Namespace) -> Corpus[str]:
    """Return the corpus, from its shards where it was read before."""
    return sharded(arguments.folder / "salts.smi", canonical="trust", cache=arguments.folder)


def read(arguments: argparse.Namespace) -> dict[str, Any]:
    """Read the corpus as it is written, every 100th molecule checked."""
    start = time.perf_counter()
    n = len(load(arguments))
    return {"n": n, "a second": round(n / (time.perf_counter() - start))}


def parse(arguments: argparse.Namespace) -> dict[str, Any]:
    """Read a part of the corpus with RDKit."""
    part = arguments.folder / "part.smi"
    with (arguments.folder / "salts.smi").open() as file:
        lines = [next(file) for _ in range(arguments.n)]
    part.write_text("".join(lines))
    start = time.perf_counter()
    n = len(sharded(part, cache=arguments.folder, lines_per_shard=max(1000, arguments.n // 8)))
    return {"n": n, "a second": round(n / (time.perf_counter() - start))}


def encode(arguments: argparse.Namespace) -> dict[str, Any]:
    """Learn the vocabulary and encode the corpus."""
    corpus = load(arguments)
    encoding = fit_encoding(Molecules(), corpus)
    start = time.perf_counter()
    rows = encode_stored(encoding, corpus, cache=arguments.folder)
    seconds = time.perf_counter() - start
    index = json.loads((rows.rows.folder / "index.json").read_text())
    return {"n": len(rows), "a second": round(len(rows) / seconds), "inexact": index["inexact"], "length": rows.length}


def keys(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make the filter of the keys, and count what it takes for members among other designs."""
    corpus = load(arguments)
    assert isinstance(corpus.designs, StoredDesigns)
    known = KeyFilter.of(corpus.designs.hashes)
    assert all(design in known for design in corpus.designs[:: len(corpus) // 1000])
    others = [f"other {i}" for i in range(200_000)]
    found = sum(other in known for other in others)
    start = time.perf_counter()
    exact = sum(other in corpus.designs for other in others[:20_000])
    return {
        "n": len(known),
        "megabytes": round(known.bits.numel() / 1e6, 1),
        "stated rate": known.false_positive_rate,
        "false positives": found,
        "of": len(others),
        "look-ups of hashes a second": round(20_000 / (time.perf_counter() - start)),
        "false positives of hashes": exact,
    }


def train_by_shards(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train the VAE of `molecules/small` on the corpus for some minutes."""
    corpus = load(arguments)
    encoding = fit_encoding(Molecules(), corpus)
    batch = encode_stored(encoding, corpus, cache=arguments.folder)
    recipe = small(arguments)
    torch.manual_seed(0)
    vae: Any = recipe.build(encoding)
    training = train(vae, batch, recipe, targets=auxiliary_targets(encoding, corpus, 16))
    first, last = training.validations[0], training.validations[-1]
    return {
        "n": len(batch),
        "steps": training.steps,
        "designs a second": round(training.steps * recipe.batch / last.seconds),
        "held-out loss": [round(first.loss, 2), round(last.loss, 2)],
    }


def speed(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train on ZINC250k for a number of steps; started by torchrun for several processes."""
    torch.set_num_threads(1)
    processes = join_processes()
    designs = tuple(arguments.zinc.read_text().split()[:20_000])
    encoding = Molecules().fit(designs)
    recipe = replace(small(arguments), epochs=arguments.n / 20_000, validate_every=10**9, max_minutes=float("inf"))
    torch.manual_seed(0)
    vae: Any = recipe.build(encoding)
    batch = encoding.encode(designs)
    start = time.process_time()
    training = train(vae, batch, recipe)
    cpu = float(processes.add(torch.tensor(time.process_time() - start)))
    last = training.validations[-1]
    n = training.steps * recipe.batch
    return {
        "name": f"speed of {processes.count}",
        "designs": n,
        "CPU milliseconds a design": round(1000 * cpu / n, 3),
        "designs a second": round(n / last.seconds),
        "held-out loss": round(last.loss, 3),
    }


def surrogate(arguments: argparse.Namespace) -> dict[str, Any]:
    """Predict log P of 500 molecules of ZINC250k from `-n` others, by what a surrogate can make of a long history."""
    designs = arguments.zinc.read_text().split()
    designs = [designs[i] for i in np.random.default_rng(0).permutation(len(designs))[: arguments.n + N_PREDICTED]]
    counts = [Molecules().fingerprints(designs[i : i + 5000]) for i in range(0, len(designs), 5000)]
    X = torch.from_numpy(np.concatenate(counts))
    U = torch.from_numpy(np.asarray(logp(designs), dtype=np.float64))[:, None]
    X, U, X_new, y = X[N_PREDICTED:], U[N_PREDICTED:], X[:N_PREDICTED], U[:N_PREDICTED, 0]
    early = tanimoto_gp(X[:-BATCH], U[:-BATCH], d=0, n_inducing=N_INDUCING)
    ways: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
        "4,000 of the designs": lambda: moments(tanimoto_gp(X, U, d=0), X_new),
        "all, through 2,000 of them": lambda: moments(tanimoto_gp(X, U, d=0, n_inducing=N_INDUCING), X_new),
        "100 designs added to these": lambda: moments(
            tanimoto_gp(X, U, d=0, n_inducing=N_INDUCING, previous=early), X_new
        ),
        "the 100 nearest of each": lambda: nearest(X, U, X_new, 100),
    }
    found: dict[str, Any] = {"n": len(X), "predicted": len(y)}
    for name, way in ways.items():
        start, cpu = time.perf_counter(), time.process_time()
        mean, sd = way()
        found[name] = {
            "rank correlation": round(spearman(mean, y), 3),
            "rmse": round(float((mean - y).square().mean().sqrt()), 3),
            "in the 90 % interval": round(float(((mean - y).abs() < 1.645 * sd).double().mean()), 3),
            "seconds": round(time.perf_counter() - start, 1),
            "CPU seconds": round(time.process_time() - cpu, 1),
        }
    return found


def moments(model: Model, X: Tensor) -> tuple[Tensor, Tensor]:
    """Return means and standard deviations of the predictions of a model."""
    posterior: Any = model.posterior(X[:, None])
    return posterior.mean.flatten(), posterior.variance.flatten().sqrt()


def nearest(X: Tensor, U: Tensor, X_new: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return means and standard deviations of exact processes on the `k` nearest designs of each new one."""
    kernel = MinMaxKernel(0)
    rows = kernel(X_new, X).to_dense().topk(k, dim=1).indices
    means, sds = [], []
    for i, near in enumerate(rows):
        A = kernel(X[near]).to_dense() + 0.01 * torch.eye(k, dtype=X.dtype)
        related = kernel(X_new[i : i + 1], X[near]).to_dense()[0]
        weights = torch.linalg.solve(A, related)
        means.append(U.mean() + weights @ (U[near, 0] - U.mean()))
        sds.append(U.std() * (1 - weights @ related).clamp_min(1e-6).sqrt())
    return torch.stack(means), torch.stack(sds)


def small(arguments: argparse.Namespace) -> Recipe:
    """Return the recipe of `vae=molecules/small`, with validations every 200 steps."""
    build = partial(sequence_vae, d=32, n_properties=16, beam=3, prior="flow")
    return Recipe(
        build, epochs=1, target_rate=32, held_out=1000, validate_every=200, max_minutes=arguments.minutes, device="cpu"
    )


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
