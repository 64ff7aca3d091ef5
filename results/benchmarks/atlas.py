"""Benchmark of the atlas: maps, paths between populations, stated intervals, and decode failures.

python results/benchmarks/atlas.py map --zinc zinc250k.smi.gz
python results/benchmarks/atlas.py large_map --zinc zinc250k.smi.gz
python results/benchmarks/atlas.py clusters
python results/benchmarks/atlas.py features
python results/benchmarks/atlas.py populations --zinc zinc250k.smi.gz
python results/benchmarks/atlas.py failures
python results/benchmarks/atlas.py calibration RUN RUN ...
python results/benchmarks/atlas.py linear_twin RUN RUN ...
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import torch
from scipy.spatial import procrustes
from sklearn.metrics import adjusted_rand_score

from invdesign.atlas import FrozenProjection, find_clusters, fit_coordinates, fit_projection
from invdesign.atlas.transport import PopulationPath, distance, match
from invdesign.campaign.calibration import latest_scores
from invdesign.config import compose, instantiate
from invdesign.core import Array
from invdesign.core.capabilities import features, quality
from invdesign.domains.crystals import Crystals
from invdesign.domains.crystals.prototypes.ionic import ionic, prototype_of
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.corpus import fragments, zinc250k
from invdesign.domains.molecules.groups import scaffold
from invdesign.domains.molecules.oracles import logp, qed
from invdesign.latent.diagnosis import measure_decode_failures
from invdesign.latent.prepare import Pretrained, prepare
from invdesign.latent.space import LatentSpace
from invdesign.runs import CampaignRun
from invdesign.runs.latent_spaces import prepare_latent_space
from invdesign.runs.reporting import linear_twin_of
from invdesign.surrogate.calibration import coverage, recalibrate

CACHE = platformdirs.user_cache_path("invdesign")
N_FAMILIES = 10
N_PAIRS = 150
STEPS = np.linspace(0, 1, 11)


def main() -> None:
    """Measure one part and add its figures to those beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("part", choices=sorted(PARTS))
    parser.add_argument("runs", nargs="*", type=Path, help="run folders (parts calibration and linear_twin)")
    parser.add_argument("--zinc", type=Path, help="zinc250k.smi.gz")
    parser.add_argument("--n", type=int, default=10_000, help="molecules of the large map")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = PARTS[arguments.part](arguments)
    known = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {}
    arguments.out.write_text(json.dumps({**known, arguments.part: found}, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def measure_map(arguments: argparse.Namespace) -> dict[str, Any]:
    """Trustworthiness, continuity and CPU time of projections of 2,000 ZINC latents, and of t-SNE on four other sets."""
    X, Z = _coordinates(arguments, 10_000)
    methods = ["pca", "lle", "umap", "tsne"] + ["pacmap"] * (find_spec("pacmap") is not None)
    tried = [("standardized", Z[:2000].numpy(), "tsne")]
    tried += [("map coordinates", X[:2000], method) for method in methods]
    # The settings of t-SNE were chosen on the first 2,000.
    tried += [(f"map coordinates, other molecules {k}", X[2000 * k :][:2000], "tsne") for k in (1, 2, 3, 4)]
    return {"projections": [_rated(name, points, method)[1] for name, points, method in tried]}


def measure_large_map(arguments: argparse.Namespace) -> dict[str, Any]:
    """Trustworthiness, continuity and CPU time of a map of many ZINC latents, and what 500 further designs move."""
    start = time.process_time()
    X, _ = _coordinates(arguments, arguments.n + 500)
    seconds = round(time.process_time() - start, 1)
    frozen, row = _rated("map coordinates", X[:-500], "tsne")
    before, n_placed = frozen.points.copy(), len(frozen.place(X[-500:]))
    moved = procrustes(before, frozen.points)[2]
    return {"CPU seconds of loading and encoding": seconds, "projection": row, "placed": n_placed, "moved": moved}


def _coordinates(arguments: argparse.Namespace, n: int) -> tuple[Array, torch.Tensor]:
    """Return map coordinates and standardized latents of molecules."""
    latent_space, designs = _zinc_space(), _molecules(arguments, n)
    Z = latent_space.encode(designs)
    return fit_coordinates(latent_space, designs)(Z), Z


def _rated(name: str, points: Array, method: Any) -> tuple[FrozenProjection, dict[str, Any]]:
    """Return a projection, and what it reaches in what time."""
    start = time.process_time()
    frozen = fit_projection(points, method)
    seconds = round(time.process_time() - start, 1)
    shares = {"trustworthiness": frozen.trustworthiness, "continuity": frozen.continuity}
    row = {"space": name, "n": len(points), "projection": frozen.name, **shares, "CPU seconds": seconds}
    print(row, flush=True)
    return frozen, row


def measure_clusters(arguments: argparse.Namespace) -> dict[str, Any]:
    """Agreement (ARI) of clusters on the map with scaffold families and prototypes."""
    space, molecules = _campaign("demo")
    found = {"scaffold families": _family_ari(space, molecules.designs, scaffold(molecules.designs))}
    space, crystals = _campaign("ionic")
    return {**found, "ionic prototypes": _family_ari(space, crystals.designs, _prototypes_of(crystals.designs))}


def measure_features(arguments: argparse.Namespace) -> dict[str, Any]:
    """Agreement (ARI) of clusters of the fingerprints with scaffold families, without a latent space."""
    from sklearn.cluster import KMeans

    designs = fragments(cache=CACHE).designs
    own, truth = _members(designs, scaffold(designs))
    X = (features(Molecules().fit(own), own) > 0).astype(np.float64)
    labels = KMeans(N_FAMILIES, n_init=5, random_state=0).fit_predict(X)
    return {"designs": len(own), "ARI of k-means": float(adjusted_rand_score(truth, labels))}


def _members(designs: Sequence[Any], families: Sequence[str]) -> tuple[list[Any], np.ndarray]:
    """Return the members of the largest families, and the number of the family of each."""
    largest = [name for name, _ in Counter(filter(None, families)).most_common(N_FAMILIES)]
    members = [(design, largest.index(name)) for design, name in zip(designs, families, strict=True) if name in largest]
    return [design for design, _ in members], np.array([label for _, label in members])


def _family_ari(latent_space: LatentSpace[Any, Any], designs: Sequence[Any], families: Sequence[str]) -> dict[str, Any]:
    """Return the ARI on the members of the largest families, by clusters on the map and by k-means in its space."""
    from sklearn.cluster import KMeans

    own, truth = _members(designs, families)
    n_families = len(set(truth.tolist()))
    X = fit_coordinates(latent_space, own)(latent_space.encode(own))
    frozen = fit_projection(X, "tsne")
    labels = find_clusters(frozen.points)
    by_means = KMeans(n_families, n_init=5, random_state=0).fit_predict(X)
    groups = [truth[labels == label] for label in set(labels.tolist())]
    return {
        "families": n_families,
        "designs": len(own),
        "clusters": len(set(labels.tolist()) - {-1}),
        "ARI": float(adjusted_rand_score(truth, labels)),
        "ARI of k-means": float(adjusted_rand_score(truth, by_means)),
        "purity": sum(Counter(group.tolist()).most_common(1)[0][1] for group in groups) / len(truth),
        "trustworthiness": frozen.trustworthiness,
        "continuity": frozen.continuity,
    }


def measure_populations(arguments: argparse.Namespace) -> dict[str, Any]:
    """Validity and distances between two prototypes, and from low to high QED, by matched and by random pairs."""
    return {"ionic": _between_prototypes(), "ZINC, QED": _to_drug_likeness(arguments)}


def _between_prototypes() -> dict[str, Any]:
    latent_space, corpus = _campaign("ionic")
    names = _prototypes_of(corpus.designs)
    ends = [name for name, _ in Counter(filter(None, names)).most_common(2)]
    sides = [[d for d, own in zip(corpus.designs, names, strict=True) if own == end][:N_PAIRS] for end in ends]
    A, B = (latent_space.encode(side).numpy() for side in sides)
    path = match(A, B)
    rows = [_crystal_step(latent_space, path, t, A, B) for t in STEPS]
    total = distance(A, B)
    misses = [max(abs(row["from A"] / total - row["t"]), abs(row["to B"] / total - 1 + row["t"])) for row in rows]
    return {
        "prototypes": ends,
        "pairs": len(path.rows),
        "steps": rows,
        "decoded between": float(np.mean([row["decoded"] for row in rows[1:-1]])),
        "sane between": float(np.mean([row["sane"] for row in rows[1:-1]])),
        "largest deviation of a distance from linear": max(misses),
        "random pairs at .5": _crystal_step(latent_space, _shuffled(path), 0.5, A, B),
    }


def _crystal_step(
    latent_space: LatentSpace[Any, Any], path: PopulationPath, t: float, A: Array, B: Array
) -> dict[str, float]:
    decoded = _decode(latent_space, path, t)
    Z = latent_space.encode(decoded).numpy()
    return {
        "t": round(float(t), 2),
        "decoded": len(decoded) / len(path.rows),
        "sane": _n_sane(Crystals(), decoded) / len(path.rows),
        "from A": distance(A, Z),
        "to B": distance(Z, B),
    }


def _to_drug_likeness(arguments: argparse.Namespace) -> dict[str, Any]:
    latent_space, designs = _zinc_space(), _molecules(arguments, 4_000)
    order = np.argsort(qed(designs))
    sides = [[designs[i] for i in rows] for rows in (order[:N_PAIRS], order[-N_PAIRS:])]
    path = match(*(latent_space.encode(side).numpy() for side in sides))
    rows = [_molecule_step(latent_space, path, t, sides[1]) for t in STEPS]
    return {
        "pairs": len(path.rows),
        "steps": rows,
        "median is monotone": bool((np.diff([row["median QED"] for row in rows]) > 0).all()),
        "fall of the distance of (logP, weight)": 1 - rows[-1]["distance"] / rows[0]["distance"],
        "random pairs at .5": _molecule_step(latent_space, _shuffled(path), 0.5, sides[1]),
    }


def _molecule_step(
    latent_space: LatentSpace[Any, Any], path: PopulationPath, t: float, target: Sequence[str]
) -> dict[str, float]:
    decoded, goal = _decode(latent_space, path, t), _plane(target)
    own = (_plane(decoded) - goal.mean(0)) / goal.std(0)
    return {
        "t": round(float(t), 2),
        "decoded": len(decoded) / len(path.rows),
        "sane": _n_sane(Molecules(), decoded) / len(path.rows),
        "median QED": float(np.median(qed(decoded))),
        "distance": distance(own, (goal - goal.mean(0)) / goal.std(0)),
    }


def measure_failures(arguments: argparse.Namespace) -> dict[str, Any]:
    """Decode failures of trained spaces, and the AUROC of density for them."""
    spaces = {
        "molecules, zinc250k": (_zinc_space(), fragments(n=600, cache=CACHE).designs),
        "molecules, demo": (_campaign("demo")[0], fragments(cache=CACHE).designs[:600]),
        "crystals, ionic": (_campaign("ionic")[0], ionic(600, seed=1).designs),
    }
    found = {}
    for name, (space, designs) in spaces.items():
        torch.manual_seed(0)
        found[name] = asdict(measure_decode_failures(space, designs, n=900))
    return found


def measure_calibration(arguments: argparse.Namespace) -> dict[str, Any]:
    """Coverage of the intervals that runs stated, in all and by rounds, and of the surrogate without correction."""
    found = {}
    for folder in arguments.runs:
        with CampaignRun.open(folder, read_only=True) as run:
            state = run.state
        known = latest_scores(state.evaluated, 0, n=len(state.evaluated))
        corrections = {r.round: r.calibration.residual_quantiles[0] for r in state.records if r.calibration}
        scores, rounds = np.array([score for _, score in known]), np.array([c.round for c, _ in known])
        own = np.concatenate([recalibrate(scores[[i]], corrections[c.round]) for i, (c, _) in enumerate(known)])
        found[folder.parent.name] = {
            "outcomes": len(scores),
            "inside 50 and 90 % intervals as stated": coverage(scores),
            "without correction": coverage(own),
            "by round": {int(k): [int((rounds == k).sum()), *coverage(scores[rounds == k])] for k in np.unique(rounds)},
            "bases": {r.round: r.calibration.bases[0] for r in state.records if r.calibration},
        }
    return found


def measure_linear_twin(arguments: argparse.Namespace) -> dict[str, Any]:
    """Figures of the latent spaces of runs beside those of a linear model, and what the comparison costs.

    Times are elapsed ones of one thread: of the comparison now, of the training as it was recorded.
    """
    found = {}
    for folder in arguments.runs:
        with CampaignRun.open(folder, read_only=True) as run:
            run.engine  # noqa: B018 - the model is loaded before the comparison is timed
            start, cpu = time.perf_counter(), time.process_time()
            rows = linear_twin_of(run)
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            training = run.engine.latent_space.card["training"]["seconds"]
        found[folder.parent.name] = {
            "figures": {row.name: [round(row.vae, 3), round(row.linear, 3)] for row in rows},
            "seconds of the comparison": round(seconds, 1),
            "CPU seconds of the comparison": round(cpu, 1),
            "seconds of the training": round(training, 1),
            "share": round(seconds / training, 3),
        }
    return found


def _molecules(arguments: argparse.Namespace, n: int) -> list[str]:
    designs = zinc250k(path=arguments.zinc, cache=CACHE).designs
    return [designs[i] for i in np.random.default_rng(0).permutation(len(designs))[:n]]


def _zinc_space() -> LatentSpace[str, Any]:
    return prepare(Molecules(), None, Pretrained("zinc250k"))


def _campaign(name: str) -> tuple[LatentSpace[Any, Any], Any]:
    """Return latent space and corpus of a shipped campaign."""
    composed = compose.compose(name, [])
    campaign = instantiate.build(composed.values, composed.where, name=name).campaign
    corpus = instantiate.bind(campaign.corpus, {"cache": CACHE})()
    return prepare_latent_space(campaign, corpus, CACHE, lambda *given: None), corpus


def _prototypes_of(designs: Sequence[Any]) -> list[str]:
    return [prototype_of(design) for design in designs]


def _decode(latent_space: LatentSpace[Any, Any], path: PopulationPath, t: float) -> list[Any]:
    decoded = latent_space.decode(torch.from_numpy(path.evaluate(float(t))))
    return [design for design in decoded if design is not None]


def _n_sane(domain: Any, designs: Sequence[Any]) -> int:
    return int((quality(domain, designs)["nonsense"] == 0).sum())


def _shuffled(path: PopulationPath) -> PopulationPath:
    return replace(path, last=path.last[np.random.default_rng(0).permutation(len(path.last))])


def _plane(designs: Sequence[str]) -> Array:
    weights = Molecules().describe(designs)["molecular_weight"]
    return np.column_stack([logp(designs), np.array(weights, dtype=np.float64)])


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "map": measure_map,
    "large_map": measure_large_map,
    "clusters": measure_clusters,
    "features": measure_features,
    "populations": measure_populations,
    "failures": measure_failures,
    "calibration": measure_calibration,
    "linear_twin": measure_linear_twin,
}

if __name__ == "__main__":
    main()
