"""Finding what is on a page: fields by their label, the content of its charts, and the table that one draws."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plotly.graph_objects import Figure
from streamlit.testing.v1 import AppTest

from mmcore import ARCHITECTURES, Run, RunStore, SplitConfig, TrainConfig, load

FIELDS = ("selectbox", "text_input", "text_area", "number_input", "toggle", "file_uploader", "button_group")


def field(app: AppTest, kind: str, label: str) -> Any:
    """The one element of a kind with a label."""
    elements: list[Any] = [*app.get(kind)]
    return next(element for element in elements if element.label == label)


def metrics(app: AppTest) -> dict[str, str]:
    """The figures a page shows large, by label."""
    return {metric.label: metric.value for metric in app.metric}


def figure(app: AppTest, index: int) -> dict[str, Any]:
    """A chart as it is sent to the browser; those that are changed in place come last."""
    return figures(app)[index]


def keyed(app: AppTest) -> dict[str, dict[str, Any]]:
    """The charts that are drawn anew each time, by their keys."""
    elements: Any = app.get("plotly_chart")
    return {chart.key: dict(json.loads(chart.proto.spec)) for chart in elements}


def figures(app: AppTest) -> list[dict[str, Any]]:
    """All of them: data, layout, and for those that are changed in place what they show."""
    sent = [dict(json.loads(chart.proto.spec)) for chart in app.get("plotly_chart")]
    changed = [given for given in components(app) if "clickable" in given]
    return sent + [{"data": one["traces"], "layout": one["layout"], "alt": one["alt"]} for one in changed]


def symbol_map(app: AppTest) -> dict[str, Any]:
    """The map of Embeddings: its last frame where it can be played, else the chart."""
    played = [given["map"] for given in components(app) if "map" in given]
    return dict(played[0]) if played else figure(app, 0)


def components(app: AppTest) -> list[dict[str, Any]]:
    """What each component of the page is given; not what explains the terms of every page, nor the link to it."""
    return [given for given in _given(app) if "more" not in given and "sentences" not in given]


def link(app: AppTest) -> dict[str, str]:
    """What the link to the page adds to its address."""
    (more,) = [given["more"] for given in _given(app) if "more" in given]
    return dict(more)


def _given(app: AppTest) -> list[dict[str, Any]]:
    return [json.loads(component.proto.json) for component in app.get("bidi_component")]


def numbers(values: Any) -> NDArray[Any]:
    """A chart's numbers, which plotly sends as lists or as bytes."""
    if not isinstance(values, dict):
        return np.array(values)
    shape = [int(size) for size in str(values.get("shape", "-1")).split(",")]
    return np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"]).reshape(shape)


def without_help(app: AppTest) -> list[str]:
    """Labels of the fields that do not explain themselves; where there is no label, there is no place for it."""
    elements: list[Any] = [element for kind in FIELDS for element in app.get(kind)]
    labelled = [element for element in elements if not element.proto.label_visibility.value]
    return [element.label for element in labelled if not element.proto.help]


def astray(figure: Figure) -> list[str]:
    """Texts of annotations, placed by data, that a logarithmic axis would have to reach out to; both axes looked at."""
    found = []
    for letter in "xy":
        if figure.layout[f"{letter}axis"].type != "log":
            continue
        values = [np.asarray(trace[letter], dtype=float) for trace in figure.data if trace[letter] is not None]
        values += [np.array([shape[f"{letter}0"]]) for shape in figure.layout.shapes if shape[f"{letter}ref"] == letter]
        known = np.concatenate(values)
        ends = np.log10(known[known > 0])
        for note in figure.layout.annotations:
            if note[f"{letter}ref"] in (None, letter) and not ends.min() - 1e-9 <= note[letter] <= ends.max() + 1e-9:
                found.append(note.text)
    return found


HELP = {
    name: setting.help
    for owner in (*reversed(ARCHITECTURES.values()), TrainConfig, SplitConfig)
    for name, setting in owner.settings().items()
}
"""What the configs say of each field; of one that architectures have in their own way, what the MLP's says."""


def embedding_table(store: RunStore, run: Run) -> NDArray[np.float32]:
    """The run's stored C (V, D)."""
    weights = store.weights(run.id)
    assert weights is not None
    return np.asarray(load(weights).model.tensors["C"].numpy())
