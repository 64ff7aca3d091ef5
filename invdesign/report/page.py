"""The HTML report of a run: headline, figures and tables in one file that needs no network."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from markupsafe import Markup

from invdesign.atlas import ProjectionMethod
from invdesign.atlas.linear_twin import describe_comparison
from invdesign.campaign import Funnel
from invdesign.campaign.pool import describe_refused
from invdesign.core import D
from invdesign.io.atomic import write_atomically
from invdesign.latent.diagnosis import describe
from invdesign.report import balance, figures, illustrations, latent_space_figures
from invdesign.report.balance import describe_balance
from invdesign.report.calibration import describe_calibration
from invdesign.report.cards import Card, make_card
from invdesign.report.data import ReportData, best_score, group_failures, score
from invdesign.report.headline import headline, tiles
from invdesign.report.map_page import map_parts
from invdesign.report.templates import created_at, render_page, settings_rows

T = TypeVar("T")
MAX_CARDS = 24
log = logging.getLogger(__name__)


class Parts:
    """Runs the parts of a report; a part that fails is recorded, and the other parts go on.

    A ValueError means that there is nothing to show; any other error is also logged.
    """

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}
        """Reasons of the parts that failed, by name."""

    def run(self, name: str, make: Callable[[], T]) -> T | None:
        """Return what `make` returns, or None where it fails."""
        self.problems.pop(name, None)
        try:
            return make()
        except Exception as error:  # a failing part must never cost the report
            self.problems[name] = str(error)
            if not isinstance(error, ValueError):
                log.warning("report: figure %r failed (%s: %s)", name, type(error).__name__, error)
            return None

    def items(self, name: str, make: Callable[[], list[T]]) -> list[T]:
        """Return the list that `make` returns, or an empty one where it fails."""
        return self.run(name, make) or []

    def figure(self, name: str, make: Callable[[], str]) -> Markup:
        """Return the HTML of a figure, or a line with the reason where it fails."""
        html = self.run(name, make)
        if html is None:
            return Markup('<p class="missing">{}: {}</p>').format(name, self.problems[name])
        return Markup(html)


def report(
    data: ReportData[D],
    out: Path,
    *,
    projections: Sequence[ProjectionMethod] = ("pca", "tsne"),
    max_cards: int = MAX_CARDS,
) -> Path:
    """Write the report of a run.

    A figure that fails is replaced by a line with the reason, and logged; the rest of the page is written.

    Args:
        data: Facts of the run.
        out: Path of the .html file.
        projections: Projections of the latent space. `"umap"` takes about 20 s, most of it compilation; `"tsne"` takes
            a few seconds.
        max_cards: Number of candidates shown with a picture; the table shows all.

    Returns:
        The path of the file.

    Raises:
        InvdesignError: The file cannot be written.
    """
    parts = Parts()
    context: dict[str, Any] = {
        "data": data,
        "created": created_at(data.created),
        **_summary(data, parts),
        **_candidates(data, parts, max_cards),
        **_illustrations(data, parts),
        **_latent_space(data, parts, projections),
        **_map(data, parts),
        **_search(data, parts),
        **_settings(data, parts),
    }
    scripts = [*(picture for _, picture in context["illustrations"]), *(m["script"] for m in context["maps"])]
    context["policy"] = Markup(illustrations.content_security_policy(scripts))
    page = render_page("page.html.j2", context)
    return write_atomically(Path(out), lambda path: path.write_text(page, encoding="utf-8"))


def _summary(data: ReportData[D], parts: Parts) -> dict[str, Any]:
    """Return goals, headline, tiles and the curve of the best score."""
    reference = parts.run("reference", lambda: best_score(data, data.reference_properties))
    return {
        "goals": [*map(figures.describe_goal, data.objectives), *(f"keep {limits}" for limits in data.constraints)],
        "headline": parts.items("headline", partial(headline, data)),
        "tiles": parts.items("tiles", partial(tiles, data)),
        "best_so_far": parts.figure("best so far", partial(figures.plot_best_so_far, data)),
        "score": score(data),
        "has_reference": reference is not None and math.isfinite(reference),
    }


def _candidates(data: ReportData[D], parts: Parts, max_cards: int) -> dict[str, Any]:
    """Return the shortlist as cards and as rows of a table, and the plots of trade-offs."""
    cards = parts.items("shortlist", partial(_make_cards, data, max_cards, has_picture=True))
    trade_offs: list[str] = []
    if len(data.objectives) > 1:
        trade_offs = parts.items("trade-offs", partial(figures.plot_trade_offs, data))
    return {
        "best_card": cards[:1],
        "cards": cards,
        "rows": parts.items("table", partial(_make_cards, data, len(data.shortlist), has_picture=False)),
        "trade_offs": [Markup(picture) for picture in trade_offs],
    }


def _make_cards(data: ReportData[D], n: int, *, has_picture: bool) -> list[Card]:
    """Return the cards of the first `n` candidates of the shortlist."""
    shown = enumerate(data.shortlist[:n], start=1)
    return [make_card(data, candidate, rank, has_picture=has_picture) for rank, candidate in shown]


def _illustrations(data: ReportData[D], parts: Parts) -> dict[str, Any]:
    """Return title and HTML of the domain's figures."""
    pictures: list[tuple[str, Markup]] = []
    for name, illustrate in data.illustrate.items():
        drawn = parts.run(name, partial(illustrations.draw_illustrations, data, illustrate))
        if drawn is None:
            drawn = {name: Markup('<p class="missing">not drawn: {}</p>').format(parts.problems[name])}
        pictures += [(title, Markup(html)) for title, html in drawn.items()]
    pictures.sort(key=lambda picture: 'class="missing"' in picture[1])  # what was not drawn comes last
    return {"illustrations": pictures}


def _map(data: ReportData[D], parts: Parts) -> dict[str, Any]:
    """Return the interactive map of the latent space, at most one."""
    latent_map = data.latent_map
    return {"maps": [] if latent_map is None else parts.items("map", lambda: [map_parts(latent_map)])}


def _latent_space(data: ReportData[D], parts: Parts, projections: Sequence[ProjectionMethod]) -> dict[str, Any]:
    """Return the pictures of the latent space and the diagnostics of its model."""
    name = "latent space"
    panels = parts.items(name, partial(latent_space_figures.plot_latent_space, data, projections))
    n_corpus = 0 if data.corpus_latents is None else len(data.corpus_latents)
    return {
        "panels": [{"title": p.title, "picture": Markup(p.picture), "key": Markup(p.key)} for p in panels],
        "panels_problem": parts.problems.get(name, ""),
        "n_corpus": min(n_corpus, latent_space_figures.MAX_CORPUS),
        "diagnosis": parts.items("diagnosis", partial(_diagnosis, data.model_card)),
        "linear_twin": data.linear_twin,
        "twin_sentence": describe_comparison(data.linear_twin) if data.linear_twin else "",
        "balance": parts.items("balance", partial(describe_balance, data.model_card)),
        "balance_figures": [
            {"picture": parts.figure(name, partial(plot, data)), "caption": caption}
            for name, plot, caption in balance.figures(data)
        ],
        "model_card": parts.items("model card", partial(settings_rows, data.model_card)),
    }


def _diagnosis(card: Mapping[str, Any]) -> list[str]:
    """Return the figures of a latent space as text; none of a model without a diagnosis."""
    found = card.get("diagnosis")
    return describe(found) if found else []


def _search(data: ReportData[D], parts: Parts) -> dict[str, Any]:
    """Return the figures of surrogate, funnel, trust regions and times, and the tables of failures and remarks."""
    predictions = [
        parts.figure(f"predicted {objective.name}", partial(figures.plot_predictions, data, j))
        for j, objective in enumerate(data.objectives)
    ]
    return {
        "surrogate_quality": parts.figure("surrogate quality", partial(figures.plot_surrogate_quality, data)),
        "predictions": predictions,
        "calibration": parts.items("calibration", partial(describe_calibration, data)),
        "funnel": parts.figure("funnel", partial(figures.plot_funnel, data)),
        "refused": describe_refused(sum((record.funnel for record in data.state.records), Funnel())),
        "regions": parts.figure("trust regions", partial(figures.plot_region_lengths, data)),
        "seconds": parts.figure("times", partial(figures.plot_seconds_by_stage, data)),
        "failures": parts.items("failures", partial(group_failures, data)),
        "remarks": [(record.round, note) for record in data.state.records for note in record.notes],
    }


def _settings(data: ReportData[D], parts: Parts) -> dict[str, Any]:
    """Return settings and versions as rows."""
    return {
        "settings": parts.items("settings", partial(settings_rows, data.settings)),
        "versions": parts.items("versions", partial(settings_rows, data.versions)),
    }
