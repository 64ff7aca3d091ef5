from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from invdesign.atlas import density_grid, fit_projection, name_clusters
from invdesign.report.latent_map import LatentMap, MapDesign, PathPoint
from invdesign.report.map_page import write_map

HOSTILE = "</script><script>document.title='taken'</script>"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    Z = draw.normal(size=(60, 4))
    projection = fit_projection(Z, "pca")
    picture = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle r="4"/></svg>'
    designs = [MapDesign(f"c{i} {HOSTILE}", f"c{i}", "corpus", {"density": float(i)}) for i in range(60)]
    designs += [
        MapDesign(f"m{i}", f"=m{i}", "measured", {"density": 1.0, "height": float(i)}, f"D000{i}", picture)
        for i in range(3)
    ]
    points = np.concatenate([projection.points, projection.place(draw.normal(size=(3, 4)))])
    trust = np.concatenate([projection.local_trust, np.ones(3)])
    labels = np.repeat([0, 1], 30)
    traits = [frozenset({"tall"} if i < 30 else {"short"}) for i in range(60)]
    drawn = LatentMap(
        "heights",
        "words",
        projection,
        "all 4 latents",
        designs,
        points,
        trust,
        [PathPoint(60, 0), PathPoint(62, 1)],
        name_clusters(projection.points, labels, traits),
        density_grid(projection.points),
    )
    return write_map(drawn, tmp_path / "map.html")


def test_the_page_needs_no_network_and_shows_texts_as_texts(file: Path) -> None:
    text = file.read_text()
    assert "http:" not in text and "https:" not in re.sub(r"data:image/svg\+xml;base64,[\w+/=]*", "", text)
    assert text.count("</script>") == 2 and HOSTILE not in text
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None and "script-src &#39;sha256-" in policy[1].replace("'", "&#39;")
    content = json.loads(text.split('id="map-data">')[1].split("</script>")[0])
    assert len(content["x"]) == 63 and content["label"][0] == f"c0 {HOSTILE}"
    assert list(content["values"]) == ["density", "height"] and content["path"] == [[60, 0], [62, 1]]
    assert [cluster["name"] for cluster in content["clusters"]] == ["tall", "short"]
    assert max(map(abs, content["x"])) <= 1


@pytest.mark.slow
def test_designs_are_hovered_found_selected_and_exported(file: Path, page: Any) -> None:
    page.goto(file.as_uri())
    assert page.title() == "heights · map of the latent space"
    page.select_option("#map-color", "height")
    assert "height: 0 (dark)" in page.inner_text("#map-legend")
    page.fill("#map-search", "d0002")
    assert "D0002: m2" in page.inner_text("#map-card")
    page.wait_for_selector("#map-card img")
    page.click("#map-select-found")
    box = page.locator("#map").bounding_box()
    seen = set()
    for i in range(12):
        page.mouse.move(box["x"] + box["width"] * (0.3 + i / 30), box["y"] + box["height"] / 2)
        seen.add(page.inner_text("#map-card"))
    assert len(seen) > 1
    page.fill("#map-search", "c17 ")
    page.locator("#map").focus()
    page.keyboard.press("+")
    page.keyboard.press(" ")
    assert page.inner_text("#map-count") == "2 selected"
    with page.expect_download() as download:
        page.click("#map-export")
    with Path(download.value.path()).open() as exported:
        rows = list(csv.DictReader(exported))
    expected = {"id": "D0002", "design": "'=m2", "group": "measured", "density": "1", "height": "2"}
    assert len(rows) == 2 and any(expected.items() <= row.items() for row in rows)
    assert {row["cluster"] for row in rows} <= {"tall", "short"}
    page.locator("#map").focus()
    cards = set()
    for key in ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown"):
        page.keyboard.press(key)
        cards.add(page.inner_text("#map-card"))
    assert len(cards) > 1
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.title() == "heights · map of the latent space"
