"""Pictures of the guides, drawn from the figures that the benchmarks wrote.

    python results/benchmarks/pictures.py            # all
    python results/benchmarks/pictures.py words      # one
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

HERE = Path(__file__).parent
PICTURES = HERE.parent / "pictures"
BLUE, ORANGE, GREY = "#3567b5", "#d97a1e", "#9aa0a6"
STYLE = {
    "font.family": "sans-serif", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "axes.titlesize": 9, "axes.titlelocation": "left", "legend.frameon": False, "svg.hashsalt": "invdesign",
    "svg.fonttype": "none",
}  # fmt: skip


def figures(name: str) -> dict[str, Any]:
    """Return the stored figures of a benchmark."""
    found: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text())
    return found


def panels(n: int, *, width: float = 7.4, height: float = 2.6) -> tuple[Figure, list[Axes]]:
    """Return a figure with `n` panels beside each other."""
    figure, axes = plt.subplots(1, n, figsize=(width, height), constrained_layout=True, squeeze=False)
    return figure, list(axes[0])


def draw_conditions() -> Figure:
    """Draw what a condition takes out of the latents, and what it does for labels of a reversed correlation."""
    stored = figures("conditions")
    figure, (left, right) = panels(2)
    batches = [part for name, part in stored.items() if name.startswith("planted batch")]
    for x, (kind, color) in enumerate((("unconditional", GREY), ("conditional", BLUE))):
        values = [part[kind]["auroc, new molecules"] for part in batches]
        left.scatter([x] * len(values), values, color=color, zorder=3)
    left.axhline(0.5, color=GREY, linewidth=0.8, linestyle=":")
    left.set_xticks([0, 1], ["no condition", "vae.condition=[laboratory]"])
    left.set_xlim(-0.5, 1.5)
    left.set_ylim(0.45, 1.02)
    left.set_title("Laboratory predicted from latents (AUROC)")
    left.text(1.45, 0.505, "chance", ha="right", va="bottom", color=GREY)
    labels = (50, 100, 200, 400)
    for i, part in enumerate(part for name, part in stored.items() if name.startswith("confounded")):
        for kind, color, text in (("unconditional", GREY, "no condition"), ("conditional", BLUE, "conditioned")):
            errors = [part[kind][f"error of {n} labels, reversed"] for n in labels]
            right.plot(labels, errors, "o-", color=color, markersize=4, label=text if i == 0 else None)
    right.set_xscale("log", base=2)
    right.set_xticks(labels, [str(n) for n in labels])
    right.set_xlabel("measured designs")
    right.set_ylim(bottom=0)
    right.set_title("RMSE where the laboratory misleads (two seeds)")
    right.legend(loc="lower left")
    return figure


def draw_neighbours() -> Figure:
    """Draw recall of linked designs and reconstruction against the weight of the links."""
    stored = figures("neighbours")["pairs"]
    weights = sorted(stored, key=float)
    x = range(len(weights))
    figure, (axes,) = panels(1, width=4.6)
    for name, color, text in (
        ("recall of hidden links", BLUE, "hidden pairs among the 10 nearest latents"),
        ("exact reconstruction", ORANGE, "molecules that come back exactly"),
    ):
        axes.plot(x, [100 * stored[w][name] for w in weights], "o-", color=color, label=text)
    axes.set_xticks(list(x), [w.removesuffix(".0") for w in weights])
    axes.set_xlabel("vae.closeness")
    axes.set_ylabel("%")
    axes.set_ylim(0, 62)
    axes.legend(loc="upper left")
    return figure


def draw_words() -> Figure:
    """Draw precision and base rate of pairs of statements that were never seen together."""
    pairs = figures("words")["mp_20"]["combinations"]
    names = sorted(pairs, key=lambda name: pairs[name][1] / pairs[name][0])
    figure, (axes,) = panels(1, width=5.6, height=2.8)
    for y, name in enumerate(names):
        base, precision = (100 * value for value in pairs[name])
        axes.plot([base, precision], [y, y], color=GREY, linewidth=1, zorder=1)
        axes.scatter(base, y, color=GREY, zorder=2, label="all crystals" if y == 0 else None)
        axes.scatter(precision, y, color=BLUE, zorder=2, label="the 20 nearest to the words" if y == 0 else None)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("crystals with both, % (mp_20; pairs left out of the training)")
    axes.set_xlim(0, 100)
    axes.legend(loc="lower right")
    return figure


def draw_symmetry() -> Figure:
    """Draw how many mapped latents decode to the changed design."""
    stored = figures("symmetry")
    names = list(reversed(stored))
    figure, (axes,) = panels(1, width=6.4, height=3.4)
    for y, name in enumerate(names):
        part = stored[name]
        axes.barh(y, 100 * part["decoded exactly at best"], color="#e6e8eb", height=0.7)
        axes.barh(y, 100 * part["decoded exactly"], color=BLUE if part["found"] else ORANGE, height=0.7)
        if not part["found"]:
            axes.text(100 * part["decoded exactly"] + 1, y, "none found", va="center", color=ORANGE)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("decoded exactly, % (grey: own latents)")
    return figure


def draw_fingerprints() -> Figure:
    """Draw the share of exact molecules against the molecules whose parts are known."""
    stored = figures("fingerprints")
    by_table = {int(n): part["exact"] for n, part in stored["by_table"].items()}
    by_table[stored.get("table", 249_255)] = stored["exact"][0]["exact"]
    figure, (axes,) = panels(1, width=4.2, height=2.4)
    axes.plot(list(by_table), [100 * value for value in by_table.values()], "o-", color=BLUE)
    axes.axhline(50, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.set_ylim(0, 103)
    axes.set_xlabel("molecules that the parts were taken from")
    axes.set_title("Held-out molecules found exactly from their fingerprint, %")
    return figure


def draw_scale() -> Figure:
    """Draw the time that 10 million molecules take on two cores."""
    stored = figures("scale")
    n, training = 10_000_000, stored["train"]
    seconds = {
        "write shards as given, every 100th parsed": stored["read"]["seconds"],
        "tokens into shards": stored["encode"]["seconds"],
        "canonical SMILES by RDKit": n * stored["parse"]["CPU seconds"] / stored["parse"]["n"] / 2,
        "one pass of training, two processes": n * training["CPU seconds"] / (training["steps"] * 256) / 2,
    }
    names = list(reversed(seconds))
    figure, (axes,) = panels(1, width=6.0, height=1.9)
    axes.barh(names, [seconds[name] / 60 for name in names], color=BLUE, height=0.6)
    axes.set_xscale("log")
    axes.set_xlim(0.3, 600)
    for y, name in enumerate(names):
        axes.text(1.1 * seconds[name] / 60, y, f"{seconds[name] / 60:.3g} min", va="center")
    axes.set_xlabel("minutes for 10 million molecules")
    return figure


def draw_sphere() -> Figure:
    """Draw the best molecules of a search on the sphere against those of a search in a box, paired by seed."""
    runs = figures("sphere")["runs"]
    by_run = {(row["task"], row["seed"], row["search"]): row["top1"] for row in runs}
    tasks = list(dict.fromkeys(row["task"] for row in runs))
    figure, (axes,) = panels(1, width=3.6, height=3.2)
    for task, color in zip(tasks, (BLUE, ORANGE, "#2f8f5b"), strict=False):
        seeds = sorted({s for t, s, _ in by_run if t == task and all((t, s, x) in by_run for x in ("box", "sphere"))})
        box, sphere = ([by_run[task, seed, name] for seed in seeds] for name in ("box", "sphere"))
        axes.scatter(box, sphere, color=color, label=task, s=22)
    low, high = axes.get_xlim()
    axes.plot([low, high], [low, high], color=GREY, linewidth=0.8, linestyle=":")
    axes.set_xlabel("best score, trust region a box")
    axes.set_ylabel("on the sphere")
    axes.legend(loc="upper left")
    return figure


DRAWN: dict[str, Callable[[], Figure]] = {
    "conditions": draw_conditions,
    "neighbours": draw_neighbours,
    "words": draw_words,
    "symmetry": draw_symmetry,
    "fingerprints": draw_fingerprints,
    "scale": draw_scale,
    "sphere": draw_sphere,
}


def main() -> None:
    """Write the pictures whose figures are there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(DRAWN)} (default: all)")
    arguments = parser.parse_args()
    plt.rcParams.update(STYLE)
    for name in arguments.names or DRAWN:
        if not (HERE / f"{name}.json").is_file():
            print(f"{name}: no figures yet")
            continue
        path = PICTURES / f"{name}.svg"
        DRAWN[name]().savefig(path, metadata={"Date": None})
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
