"""One template for all charts: by name where plotly builds them, as plain data where plotly.js does."""

from __future__ import annotations

import json

import plotly.graph_objects as go
import pytest

from ui.kit.theme import SURFACES, Theme, figure_layout, plain_layout


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_figure_carries_the_whole_template_of_its_theme(theme: Theme) -> None:
    figure = go.Figure().update_layout(figure_layout("Title", x="x", y="y", theme=theme))
    sent = json.loads(figure.to_json())["layout"]
    assert sent["template"]["layout"]["font"]["color"] == SURFACES[theme].text
    assert sent["template"]["layout"] == plain_layout("", x="", y="", theme=theme)["template"]["layout"]
    assert (sent["title"]["text"], sent["xaxis"]["title"]["text"]) == ("Title", "x")


def test_what_plotly_js_gets_names_no_template() -> None:
    layout = plain_layout("Title", x="x", y="y", theme="light")
    assert json.loads(json.dumps(layout))["template"]["layout"]["font"]["color"] == SURFACES["light"].text
