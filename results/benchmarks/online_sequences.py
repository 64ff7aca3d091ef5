"""Benchmark: 15 rounds of 256 calls of a convolutional network from a pool of poor variants of AAV or GFP.

    python results/benchmarks/online_sequences.py aav --data aav.csv.gz --difficulty medium

The network is trained on all variants here, so that its values differ from those of other papers. The pool has the
percentiles and the distance from the best hundredth that GGS states (Kirjner et al., arXiv:2307.00494). The campaign is the
preset of sequences, with the pool as measured corpus and the network as `oracle=callable`. The result is the mean of the
best 128 designs, normalized by the smallest and largest measured score. Genetic algorithms have the same calls.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import Ridge
from torch import nn

from invdesign import initialize, make_engine, prepare, run, start
from invdesign.config.compose import compose
from invdesign.config.instantiate import build
from invdesign.execution.in_process import InProcess

OUT = Path(__file__).with_suffix(".json")
LETTERS = "ACDEFGHIKLMNPQRSTVWY"
N_ROUNDS, BATCH, N_BEST, N_CHILDREN = 15, 256, 128, 4000
POOLS = {"medium": (0.2, 0.4, 6), "hard": (0.0, 0.3, 7)}
"""Quantiles of the scores, and smallest number of letters in which a variant differs from each of the best hundredth."""
EPOCHS = {"aav": 12, "gfp": 4}


@dataclass(frozen=True)
class Landscape:
    """Measured variants, and the network that stands for their measurement."""

    designs: Sequence[str]
    """All measured variants."""
    scores: np.ndarray
    """Their scores."""
    network: nn.Module
    """Trained on all of them."""

    def __call__(self, designs: Sequence[str]) -> np.ndarray:
        """Return the values of the network."""
        with torch.no_grad():
            parts = [self.network(one_hot(designs[i : i + 512])) for i in range(0, len(designs), 512)]
        return torch.cat(parts).double().numpy()

    def normalize(self, values: np.ndarray) -> np.ndarray:
        """Return values divided by the range of the measured scores."""
        low, high = self.scores.min(), self.scores.max()
        return (values - low) / (high - low)


class Convolution(nn.Module):
    """Convolution of one-hot letters, the maximum over positions, and a linear layer."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(len(LETTERS), width, 5, padding=2)
        self.linear = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return values (`n`) of one-hot letters (`n x letters x length`)."""
        return self.linear(self.convolution(x).relu().amax(2))[:, 0]


def one_hot(designs: Sequence[str]) -> torch.Tensor:
    """Return `n x letters x length`."""
    rows = torch.tensor([[LETTERS.index(letter) for letter in design] for design in designs])
    return nn.functional.one_hot(rows, len(LETTERS)).float().mT


@cache
def read_landscape(name: str, path: str, folder: str) -> Landscape:
    """Return the landscape of a file of variants; its network is kept in the folder."""
    table = pd.read_csv(path)
    table = table[table["sequence"].str.fullmatch(f"[{LETTERS}]+")]
    table = table[table["sequence"].str.len() == table["sequence"].str.len().mode()[0]]
    designs, scores = table["sequence"].tolist(), table["score"].to_numpy(dtype=float)
    torch.manual_seed(0)
    network = Convolution()
    stored = Path(folder) / f"online_{name}.pt"
    if stored.is_file():
        network.load_state_dict(torch.load(stored, weights_only=True))
        return Landscape(designs, scores, network.eval())
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    targets = torch.tensor(scores, dtype=torch.float32)
    for _ in range(EPOCHS[name]):
        for rows in torch.randperm(len(designs)).split(256):
            loss = (network(one_hot([designs[i] for i in rows.tolist()])) - targets[rows]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    stored.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), stored)
    return Landscape(designs, scores, network.eval())


def find_pool(given: Landscape, difficulty: str) -> list[int]:
    """Return the rows of the poor variants."""
    low, high, gap = POOLS[difficulty]
    letters = np.array([[ord(letter) for letter in design] for design in given.designs], dtype=np.uint8)
    top = letters[given.scores >= np.quantile(given.scores, 0.99)]
    inside = (given.scores >= np.quantile(given.scores, low)) & (given.scores <= np.quantile(given.scores, high))
    return [i for i in np.flatnonzero(inside).tolist() if int((letters[i] != top).sum(1).min()) >= gap]


def oracle(designs: Sequence[str], *, name: str, path: str, folder: str) -> np.ndarray:
    """Return the values of a network: what a user's own oracle would be."""
    return read_landscape(name, path, folder)(designs)


def run_campaign(
    given: Landscape, pool: Sequence[int], seed: int, folder: Path, *, settings: Sequence[str]
) -> tuple[np.ndarray, list[str], dict[str, int]]:
    """Return values and designs that the campaign measured after the pool, and how many each proposer found."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "pool.csv"
    designs = [given.designs[i] for i in pool]
    pd.DataFrame({"sequence": designs, "score": given(designs)}).to_csv(file, index=False)
    composed_settings = [
        "base=sequences", "corpus=sequences/table", f"corpus.path={file}", "corpus.properties={score: score}",
        "domain.length=fixed", "oracle=callable", f"oracle.score.function={Path(__file__).stem}:oracle", f"seed={seed}",
        f"batch={BATCH}", f"budget={N_ROUNDS * BATCH}", "screens=null", "validators=null", "deliverables=null", *settings,
    ]  # fmt: skip
    composed = compose(None, composed_settings)
    parts = build(
        composed.values, composed.where, name="online", allowed=(Path(__file__).stem,), folders=(Path(__file__).parent,)
    )
    campaign: Any = parts.campaign
    corpus = campaign.corpus()
    engine = make_engine(campaign, prepare(campaign.domain, corpus, campaign.vae, cache=folder))
    state = run(engine, start(engine, initialize(engine, corpus)), executor=InProcess)
    measured = [c for c in state.history if c.round > 0 and c.status == "measured"]
    return np.array([c.y[0] for c in measured]), [c.design for c in measured], dict(Counter(c.origin for c in measured))


def run_genetic_algorithm(given: Landscape, pool: Sequence[int], seed: int, *, is_ranked: bool) -> np.ndarray:
    """Return the values that a genetic algorithm measured after the pool, in the same calls.

    Args:
        given: The landscape.
        pool: Rows of the variants that are known.
        seed: Seed of the random numbers.
        is_ranked: Whether the children of a round are the best of `N_CHILDREN` by a ridge regression on one-hot letters.
    """
    draw = np.random.default_rng(seed)
    designs = [given.designs[i] for i in pool]
    known, values = set(designs), given(designs)
    for _ in range(N_ROUNDS):
        parents = [designs[i] for i in np.argsort(-values)[:N_BEST]]
        children: dict[str, None] = {}
        while len(children) < (N_CHILDREN if is_ranked else BATCH):
            child = cross(parents, draw)
            if child not in known:
                children[child] = None
        made = list(children)
        if is_ranked:
            ridge = Ridge(alpha=1.0).fit(flatten(designs), values)
            made = [made[i] for i in np.argsort(-ridge.predict(flatten(made)))[:BATCH]]
        known.update(made)
        designs, values = designs + made, np.concatenate([values, given(made)])
    return values[len(pool) :]


def cross(parents: Sequence[str], draw: np.random.Generator) -> str:
    """Return a child of two parents by uniform crossover and one or more mutations."""
    a, b = (parents[i] for i in draw.integers(len(parents), size=2))
    letters = [x if draw.random() < 0.5 else y for x, y in zip(a, b, strict=True)]
    for _ in range(1 + draw.poisson(1.0)):
        letters[draw.integers(len(letters))] = LETTERS[draw.integers(len(LETTERS))]
    return "".join(letters)


def flatten(designs: Sequence[str]) -> np.ndarray:
    """Return one-hot letters as rows."""
    return one_hot(designs).flatten(1).numpy()


def measure_diversity(designs: Sequence[str]) -> float:
    """Return the median number of letters in which two designs differ."""
    letters = np.array([[ord(letter) for letter in design] for design in designs], dtype=np.uint8)
    distances = (letters[:, None] != letters[None]).sum(2)
    return float(np.median(distances[np.triu_indices(len(letters), 1)]))


def average_best(given: Landscape, values: np.ndarray) -> float:
    """Return the normalized mean of the best 128 values."""
    return float(np.sort(given.normalize(values))[-N_BEST:].mean())


def main() -> None:
    """Run a campaign and a genetic algorithm for each seed that is missing, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=tuple(EPOCHS))
    parser.add_argument("--data", type=Path, required=True, help="table with the columns sequence and score")
    parser.add_argument("--difficulty", choices=tuple(POOLS), default="medium")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--cache", type=Path, default=Path(".cache/online"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    source = {"name": arguments.name, "path": str(arguments.data.resolve()), "folder": str(arguments.cache.resolve())}
    given = read_landscape(**source)
    settings = [f"oracle.score.{key}={value}" for key, value in source.items()]
    pool = find_pool(given, arguments.difficulty)
    fit = np.corrcoef(given(given.designs[::20]), given.scores[::20])[0, 1]
    stored: dict[str, Any] = json.loads(OUT.read_text()) if OUT.is_file() else {}
    for seed in arguments.seeds:
        name = f"{arguments.name}, {arguments.difficulty}, seed {seed}"
        if name in stored:
            continue
        started = time.process_time()
        values, designs, origins = run_campaign(
            given, pool, seed, arguments.cache / name.replace(", ", "_").replace(" ", ""), settings=settings
        )
        best = np.argsort(-values)[:N_BEST]
        stored[name] = {
            "pool": len(pool),
            "mean of the best 128 of the pool": average_best(given, given([given.designs[i] for i in pool])),
            "campaign": average_best(given, values),
            "diversity": measure_diversity([designs[i] for i in best]),
            "calls": len(values),
            "origins": origins,
            "CPU seconds": time.process_time() - started,
            "genetic algorithm": average_best(given, run_genetic_algorithm(given, pool, seed, is_ranked=False)),
            "genetic algorithm ranked by ridge": average_best(given, run_genetic_algorithm(given, pool, seed, is_ranked=True)),
            "correlation of the network with the scores": float(fit),
            "load": os.getloadavg()[0],
        }
        OUT.write_text(json.dumps(stored, indent=1) + "\n")
        print(name, json.dumps(stored[name]), flush=True)


if __name__ == "__main__":
    main()
