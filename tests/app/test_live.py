"""The live chart, as far as it is decided before the browser."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import ui.kit.live
from ui.kit.live import Trace, label_room, live_chart, summary
from ui.run.curves import loss_traces


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the browser is given by the last :func:`live_chart`."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(ui.kit.live, "_component", lambda *, key, data: given.update(data))
    return given


def long_curve(every: int) -> pd.DataFrame:
    """2,000 batch losses, and exact losses at one step in `every`, each different from its neighbours."""
    steps = np.arange(2000)
    measured = pd.Series(3 / (1 + steps), dtype=float).where(steps % every == 0)
    return pd.DataFrame({"step": steps, "batch_loss": 3.0, "train_loss": measured, "val_loss": 2 * measured})


@pytest.mark.parametrize("every", [3, 50, 700])
def test_a15_exact_losses_are_marked_where_they_were_measured_and_nowhere_else(
    sent: dict[str, Any], every: int
) -> None:
    frame = long_curve(every)
    live_chart(frame, key="k", run_id="r", traces=loss_traces(0), title="Loss")
    _, train, val = sent["traces"]
    for trace, column in ((train, "train_loss"), (val, "val_loss")):
        known = dict(zip(frame["step"], frame[column].round(5), strict=True))
        assert {step: known[step] for step in trace["x"]} == dict(zip(trace["x"], trace["y"], strict=True))
        assert len(trace["x"]) == min(100, len(frame[column].dropna()))
        assert (trace["x"][0], trace["x"][-1]) == (0, frame["step"][frame[column].notna()].max())
        assert "markers" in trace["mode"] and trace["line"]["dash"] == "dot"
    assert train["marker"]["symbol"] != val["marker"]["symbol"]


def test_a15_the_table_holds_measured_steps_and_exact_losses(sent: dict[str, Any]) -> None:
    frame = long_curve(50)
    live_chart(frame, key="k", run_id="r", traces=loss_traces(0), title="Loss")
    assert len(sent["rows"]) == 20 and sent["rows"][0][0] == 1950 and sent["rows"][-1][0] == 0
    assert all(row == frame.loc[row[0]].tolist() for row in sent["rows"])


def test_a17_the_summary_says_the_step_of_each_value() -> None:
    frame = pd.DataFrame({"step": [0, 10, 12], "train_loss": [3.0, 2.5, None], "batch_loss": [None, 2.6, 2.4]})
    said = summary("Loss", frame, [trace for trace in loss_traces(0) if trace.column in frame], {"Bigram": 2.45})
    assert said == ("Loss. At step 12: Batch 2.4000, Train 2.5000 (of step 10). Reference lines: Bigram 2.4500.")


@pytest.mark.parametrize(
    ("value", "heights"),
    [(2.5, [2.6]), (3.0, [3.1]), (3.01, [3.11]), (3.2, []), (1.9, [])],
    ids=["among the curves", "at their top", "just above it", "far above", "below"],
)
def test_there_is_room_for_the_label_of_a_line_that_is_in_sight(value: float, heights: list[float]) -> None:
    curve = pd.DataFrame({"train": [3.0, 2.0], "val": [2.9, None]})
    traces = [Trace("train", "Train", "train"), Trace("val", "Validation", "validation")]
    assert label_room(curve, traces, {"Line": value}) == pytest.approx(heights)
