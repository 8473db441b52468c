"""Finding what is on a page: fields by their label, and the content of its charts."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

FIELDS = ("selectbox", "text_input", "text_area", "number_input", "toggle", "file_uploader", "button_group")


def field(app: AppTest, kind: str, label: str) -> Any:
    """The one element of a kind with a label."""
    elements: list[Any] = [*app.get(kind)]
    return next(element for element in elements if element.label == label)


def metrics(app: AppTest) -> dict[str, str]:
    """The figures a page shows large, by label."""
    return {metric.label: metric.value for metric in app.metric}


def figure(app: AppTest, index: int) -> dict[str, Any]:
    """A chart as it is sent to the browser."""
    return dict(json.loads(app.get("plotly_chart")[index].proto.spec))


def numbers(values: Any) -> NDArray[Any]:
    """A chart's numbers, which plotly sends as lists or as bytes."""
    if not isinstance(values, dict):
        return np.array(values)
    shape = [int(size) for size in str(values.get("shape", "-1")).split(",")]
    return np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"]).reshape(shape)


def without_help(app: AppTest) -> list[str]:
    """Labels of the fields that do not explain themselves."""
    elements: list[Any] = [element for kind in FIELDS for element in app.get(kind)]
    return [element.label for element in elements if not element.proto.help]
