"""One template for all charts: by name where plotly builds them, as plain data where plotly.js does."""

from __future__ import annotations

import ast
import inspect
import json
import re
import tomllib
from pathlib import Path

import plotly.graph_objects as go
import pytest

from ui.kit.live import live_chart
from ui.kit.shell import FONT, page_html
from ui.kit.theme import ROOM, SURFACES, Theme, colours, figure_layout, plain_layout
from ui.run.progress import draw_curve


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


def test_every_live_chart_has_room_before_it_is_there() -> None:
    """Its height and its room are said in two languages."""
    calls = [
        node
        for file in (*Path("ui").rglob("*.py"), *Path("app_pages").glob("*.py"))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("live_chart", "draw_curve")
    ]
    asked = {word.value for call in calls for word in call.keywords if word.arg == "height"}
    heights = {value.value for value in asked if isinstance(value, ast.Constant)}
    heights |= {inspect.signature(function).parameters["height"].default for function in (live_chart, draw_curve)}
    style = Path("ui/kit/shell/style.css").read_text("utf-8")
    rooms = {int(height): int(room) for height, room in re.findall(rf"{ROOM}(\d+)\"\] {{ min-height: (\d+)px", style)}
    assert len(heights) > 1 and rooms == {height: height + 64 for height in heights}  # title above, table below
    assert colours().count("light-dark(") == 5 and set(re.findall(r"var\((--lab-\w+)\)", style)) <= set(
        re.findall(r"--lab-\w+", colours())
    )


def test_the_font_that_comes_first_is_the_one_that_text_is_set_in() -> None:
    theme = tomllib.loads(Path(".streamlit/config.toml").read_text("utf-8"))["theme"]
    faces = [face["url"] for face in theme["fontFaces"] if face["family"] == theme["font"].split(",")[0]]
    assert faces[0] == FONT and Path(FONT.removeprefix("app/")).is_file()
    assert page_html().count('rel="preload"') == 1 and f'href="./{FONT}"' in page_html()
