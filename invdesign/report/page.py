"""The page: the story's headline, its figures each on its own feet, and the tables, set into one HTML file."""

from __future__ import annotations

import base64
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import jinja2
from markupsafe import Markup

from invdesign.core import Candidate, D
from invdesign.io.atomic import write_atomically
from invdesign.io.clock import now
from invdesign.io.json_values import to_plain
from invdesign.report import figures, illustrations, latent_space_figures
from invdesign.report.data import ReportData, best_score, digits, failures, gain, score, undominated
from invdesign.report.svg import number

T = TypeVar("T")
MAX_CARDS = 24
EVEN = 1e-3
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tile:
    """One figure of the headline: what it is, its value, and what to make of it."""

    name: str
    value: str
    unit: str = ""
    remark: str = ""
    css: str = ""


def report(
    story: ReportData[D],
    out: Path,
    *,
    projections: Sequence[latent_space_figures.Method] = ("pca", "tsne"),
    max_cards: int = MAX_CARDS,
) -> Path:
    """Write the report of a run.

    A figure that cannot be made leaves a line that says why, and one warning in the log; the page goes on.

    Args:
        story: what is to be told.
        out: the .html file.
        projections: of the latent map; `"umap"` takes some 20 s, most of it compiling, where `"tsne"` takes a few.
        max_cards: candidates shown with their drawing; the table shows all.

    Returns:
        The file.

    Raises:
        InvdesignError: the file cannot be written.
    """
    trouble: list[str] = []

    def attempt(what: str, make: Callable[[], T]) -> T | None:
        try:
            return make()
        except Exception as error:  # a report must never kill a run: whatever fails here costs one figure
            trouble.append(f"{what}: {error}")
            if not isinstance(error, ValueError):
                log.warning("report: the figure %r could not be made (%s: %s)", what, type(error).__name__, error)
            return None

    def figure(what: str, make: Callable[[], str]) -> Markup:
        return Markup(attempt(what, make) or "") or Markup('<p class="missing">{}</p>').format(trouble[-1])

    panels = attempt("latent map", lambda: latent_space_figures.latent_maps(story, projections)) or []
    fronts = (attempt("trade-offs", lambda: figures.pareto(story)) or []) if len(story.objectives) > 1 else []
    scatters = [
        figure(f"predicted {o.name}", lambda j=j: figures.predicted_and_measured(story, j))  # type: ignore[misc]
        for j, o in enumerate(story.objectives)
    ]
    listed = list(enumerate(story.shortlist))
    closer: list[tuple[str, Markup]] = []
    for name, illustrate in story.illustrate.items():
        made = attempt(name, lambda f=illustrate: illustrations.drawn(story, f))  # type: ignore[misc]
        if made is None:
            why = trouble[-1].removeprefix(f"{name}: ")
            made = {name: Markup('<p class="missing">could not be drawn: {}</p>').format(why)}
        closer += [(title, Markup(text)) for title, text in made.items()]
    page = _environment().get_template("page.html.j2").render(
        story=story,
        made=story.made or now()[:16].replace("T", " ") + " UTC",
        asked=[figures.goal_in_words(o) for o in story.objectives],
        headline=attempt("headline", lambda: headline(story)) or [],
        tiles=attempt("headline figures", lambda: tiles(story)) or [],
        hero=attempt("best design", lambda: [card(story, c, i) for i, c in listed[:1]]) or [],
        progress=figure("best so far", lambda: figures.progress(story)),
        score=score(story),
        closer=closer,
        policy=Markup(illustrations.policy([picture for _, picture in closer])),
        cards=attempt("shortlist", lambda: [card(story, c, i) for i, c in listed[:max_cards]]) or [],
        rows=attempt("table", lambda: [card(story, c, i, drawn=False) for i, c in listed]) or [],
        fronts=[Markup(front) for front in fronts],
        panels=[{"title": p.title, "picture": Markup(p.picture), "key": Markup(p.key)} for p in panels],
        n_corpus=0
        if story.corpus_latents is None
        else min(len(story.corpus_latents), latent_space_figures.MAX_CORPUS),
        funnel=figure("funnel", lambda: figures.stages(story)),
        quality=figure("surrogate quality", lambda: figures.surrogate_by_round(story)),
        scatters=scatters,
        regions=figure("trust regions", lambda: figures.region_lengths(story)),
        seconds=figure("times", lambda: figures.seconds_by_stage(story)),
        failures=attempt("failures", lambda: failures(story)) or [],
        remarks=[(r.round, note) for r in story.state.records for note in r.notes],
        map_facts=attempt("map facts", lambda: rows_of(to_plain(story.map_facts))) or [],
        settings=attempt("settings", lambda: rows_of(to_plain(story.settings))) or [],
        versions=attempt("versions", lambda: rows_of(to_plain(story.versions))) or [],
        trouble=trouble,
    )  # fmt: skip
    return write_atomically(Path(out), lambda path: path.write_text(page, encoding="utf-8"))


def headline(story: ReportData[D]) -> list[str]:
    """The sentences that a hurried reader reads."""
    if not story.told:
        return ["Nothing was measured yet."]
    told = score(story)
    found = _found(story)
    unit = f" {told.unit}" if told.unit else ""
    said = "best valid candidate" if story.shortlist else "best measured design (no candidate passed every check)"
    if story.is_pareto:
        best = undominated(story)
        ours = sum(c.round > 0 for c in best)
        sentences = [
            f"{ours} of the {len(best)} designs that no other one beats in every property are new.",
            f"What was measured dominates {number(found)} of the box that all measurements span.",
        ]
    else:
        sentences = [f"The {said} has a {told.label} of {number(found, digits(story))}{unit}."]
    for name, other in (
        (f"the best of the {story.reference_name}", best_score(story, story.before)),
        ("a random search with as many oracle calls", _random(story)),
    ):
        better = gain(story, found, other)
        if math.isfinite(better):
            is_even = abs(better) < EVEN * abs(other)
            how = "about as good as" if is_even else "better than" if better > 0 else "worse than"
            by = "" if is_even else f"{number(abs(better), 3)}{unit} "
            sentences.append(f"That is {by}{how} {name} ({number(other, digits(story))}{unit}).")
    return sentences


def tiles(story: ReportData[D]) -> list[Tile]:
    """The figures beside the headline."""
    told, found = score(story), _found(story)
    calls = story.state.n_calls
    measured = [c for c in story.told if c.status == "measured" and c.round > 0]
    failed = sum(c.status != "measured" for c in story.told)
    made = [
        Tile(
            "Front found" if story.is_pareto else "Best found",
            number(found, digits(story)),
            told.unit,
            told.label,
            "strong",
        )
    ]
    for name, other in ((f"Best of the {story.reference_name}", best_score(story, story.before)),
                        ("Random search", _random(story))):  # fmt: skip
        if math.isfinite(other):
            made.append(Tile(name, number(other, digits(story)), told.unit, _by_how_much(story, found, other)))
    waiting = sum(c.status == "pending" for c in story.state.pending)
    remark = f"{failed} failed" if failed else "none failed"
    made.append(Tile("Oracle calls", number(calls), "", remark + (f", {waiting} pending" if waiting else "")))
    if story.n_valid is not None:
        by = ", ".join(f"{name} {n}" for name, n in list(story.refused.items())[:4])
        said = f"of {number(len(measured))} measured" + (f"; refused by {by}" if by else "")
        made.append(Tile("Valid new designs", number(story.n_valid), "", said))
    return made


def card(story: ReportData[D], candidate: Candidate[D], place: int, *, drawn: bool = True) -> dict[str, Any]:
    """A candidate as the page shows it."""
    picture = ""
    if drawn:
        try:
            drawing = story.domain.draw(candidate.design).encode()
            # An image of its own: whatever the drawing holds, no script in it runs and no name in it clashes.
            picture = "data:image/svg+xml;base64," + base64.b64encode(drawing).decode()
        except Exception as error:  # a candidate without a picture is still a candidate
            log.warning("report: no drawing of %s (%s: %s)", candidate.key, type(error).__name__, error)
    return {
        "rank": place + 1,
        "text": story.domain.label(candidate.design),
        "picture": picture,
        "properties": [_property(story, candidate, j) for j in range(len(story.objectives))],
        "percentile": candidate.percentile if math.isfinite(candidate.percentile) else None,
        "round": candidate.round,
        "origin": candidate.origin.replace("_", " "),
        "passed": [c for c in candidate.checks if c.passed],
        "failed": [c for c in candidate.checks if not c.passed],
    }


def rows_of(settings: Any, path: str = "") -> list[tuple[str, str]]:
    """Nested settings as rows of dotted names and texts."""
    if isinstance(settings, dict) and settings:
        return [row for key, value in settings.items() for row in rows_of(value, f"{path}.{key}" if path else str(key))]
    if isinstance(settings, list) and settings and isinstance(settings[0], dict):
        return [row for i, value in enumerate(settings) for row in rows_of(value, f"{path}[{i}]")]
    if isinstance(settings, list):
        settings = ", ".join(map(str, settings))
    return [(path, "–" if settings in (None, "") else str(settings))]


def _property(story: ReportData[D], candidate: Candidate[D], j: int) -> dict[str, str]:
    objective = story.objectives[j]
    mean = candidate.mean[j] if j < len(candidate.mean) else math.nan
    sd = candidate.sd[j] if j < len(candidate.sd) else math.nan
    return {
        "name": objective.name,
        "unit": objective.unit,
        "measured": number(candidate.y[j], 4) if j < len(candidate.y) else "–",
        "predicted": f"{number(mean, 3)} ± {number(sd, 2)}" if math.isfinite(mean) else "",
    }


def _found(story: ReportData[D]) -> float:
    """The score of the best design handed over; of all that was measured where there is none, or a front is sought."""
    return best_score(story, story.properties(story.told if story.is_pareto else story.shortlist or story.told))


def _random(story: ReportData[D]) -> float:
    """The score of the random search after as many calls as the campaign made."""
    return best_score(story, story.properties(story.baseline[: max(1, story.state.n_calls)]))


def _by_how_much(story: ReportData[D], found: float, other: float) -> str:
    better = gain(story, found, other)
    if not math.isfinite(better):
        return ""
    if abs(better) < EVEN * abs(other):
        return "about equal"
    share = f" ({100 * abs(better) / other:.0f} %)" if other > 0 and not story.is_pareto else ""
    return f"{'beaten by' if better > 0 else 'ahead by'} {number(abs(better), 3)}{share}"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["number"] = number
    return environment
