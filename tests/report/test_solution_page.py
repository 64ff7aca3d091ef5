"""The page of a structure solution."""

import numpy as np

from invdesign.report.solution_page import DrawnSolution, draw_patterns, write_solution_page


def test_the_page_shows_each_candidate_and_needs_no_other_file(tmp_path):
    angles = np.arange(10, 80, 0.05)
    pattern = 100 * np.exp(-((angles - 30) ** 2))
    drawing = '<svg xmlns="http://www.w3.org/2000/svg"></svg>'
    solutions = [DrawnSolution("NaCl <Fm-3m>", {"agreement": 0.99}, drawing, pattern)] * 2
    page = write_solution_page("NaCl from a.xy", "Two were compared.", angles, pattern, solutions, tmp_path / "a.html")
    text = page.read_text()
    assert text.count('class="chart pattern"') == 2 and "NaCl &lt;Fm-3m&gt;" in text and "0.99" in text
    assert "//" not in text.replace("http://www.w3.org", "").replace("https://www.w3.org", "") and 'src="data:' in text


def test_sharp_peaks_survive_the_thinning_of_a_long_curve():
    angles = np.linspace(10, 80, 30_000)
    sharp = np.where(np.arange(30_000) == 12_345, 100.0, 0.0)
    chart = draw_patterns(angles, sharp, 0 * sharp)
    heights = [float(point.split()[1]) for point in chart.split('measured" d="M')[1].split('"')[0].split("L")]
    assert len(heights) <= 1_500 and min(heights) < max(heights) - 100
