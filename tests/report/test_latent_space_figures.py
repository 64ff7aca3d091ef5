"""Pictures of the latent space."""

from __future__ import annotations

from invdesign.report.latent_space_figures import plot_latent_space, project_designs


def test_corpus_and_evaluated_designs_are_projected_together(make_data) -> None:
    planes = project_designs(make_data(), ["pca", "tsne"])
    assert planes[0].name.startswith("PCA") and planes[1].name == "t-SNE"
    assert planes[0].corpus.shape == (60, 2) and planes[0].history.shape == (8, 2)
    assert planes[0].shown.path == (1, 5) and planes[0].shown.stars == (5,)


def test_there_is_a_panel_per_property_and_one_of_the_density(make_data) -> None:
    titles = [panel.title for panel in plot_latent_space(make_data(2), ["pca"])]
    assert [title.rpartition(", ")[2] for title in titles] == [
        "coloured by length",
        "coloured by cost",
        "coloured by density",
    ]


def test_without_a_corpus_the_evaluated_designs_are_shown_alone(make_data) -> None:
    plane = project_designs(make_data(corpus_latents=None, corpus_log_density=None), ["pca"])[0]
    assert plane.corpus.shape == (0, 2) and plane.history.shape == (8, 2)
