"""The live chart, as far as it is decided before the browser."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import ui.kit.live
from ui.kit.live import Trace, downsample, focus, live_chart, summary
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


@pytest.mark.parametrize("log_x", [True, False])
@pytest.mark.parametrize("every", [3, 50, 700])
def test_a15_exact_losses_are_marked_where_they_were_measured_and_nowhere_else(
    sent: dict[str, Any], every: int, log_x: bool
) -> None:
    frame = long_curve(every)
    live_chart(frame, key="k", run_id="r", traces=loss_traces(0), title="Loss", log_x=log_x)
    _, train, val = sent["traces"]
    for trace, column in ((train, "train_loss"), (val, "val_loss")):
        known = dict(zip(frame["step"], frame[column].round(5), strict=True))
        assert {step: known[step] for step in trace["x"]} == dict(zip(trace["x"], trace["y"], strict=True))
        measured = frame["step"][frame[column].notna() & (frame["step"] > 0 if log_x else True)]
        assert (trace["x"][0], trace["x"][-1]) == (measured.min(), measured.max())
        assert len(trace["x"]) <= min(100, len(measured)) and (log_x or len(trace["x"]) == min(100, len(measured)))
        assert trace["mode"] == "markers", "no line over what was not measured"
    assert train["marker"]["symbol"] != val["marker"]["symbol"]
    assert {"Train (exact)", "Validation (exact)", "Batch (mean)"} == {trace["name"] for trace in sent["traces"]}


def test_the_first_updates_are_as_wide_as_the_rest_and_step_0_is_written_at_the_edge(sent: dict[str, Any]) -> None:
    frame = long_curve(1)
    live_chart(frame, key="k", run_id="r", traces=loss_traces(0), title="Loss")
    assert sent["layout"]["xaxis"]["type"] == "log"
    batch, train, _ = sent["traces"]
    assert 0 not in batch["x"] and batch["x"][:5] == train["x"][:5] == [1, 2, 3, 4, 5]
    (note,) = sent["layout"]["annotations"]
    assert note["text"] == "Step 0: Train (exact) 3.0000" and (note["xref"], note["yref"]) == ("paper", "paper")
    live_chart(frame.drop(columns="batch_loss"), key="k", run_id="r", traces=loss_traces(0), title="Loss")
    (note,) = sent["layout"]["annotations"]
    assert note["text"] == "↑ Step 0: Train (exact) 3.0000", "above the chart, which begins at a tenth of it"


def test_a_long_curve_keeps_its_first_steps_where_they_are_logarithmic() -> None:
    frame = pd.DataFrame({"step": np.arange(1, 100_001), "batch_loss": np.linspace(3, 2, 100_000)})
    few = downsample(frame, log_x=True)
    assert len(few) < 400 and few["step"].tolist()[:9] == list(range(1, 10))
    assert (few["step"].iloc[-1], few["batch_loss"].iloc[-1]) == (100_000, 2.0)
    grown = downsample(pd.concat([frame, frame.assign(step=frame["step"] + 100_000)]), log_x=True)
    assert grown.iloc[:200].equals(few.iloc[:200]), "a growing curve does not shimmer"


def test_a15_the_table_holds_measured_steps_and_exact_losses(sent: dict[str, Any]) -> None:
    frame = long_curve(50)
    live_chart(frame, key="k", run_id="r", traces=loss_traces(0), title="Loss")
    assert len(sent["rows"]) == 20 and sent["rows"][0][0] == 1950 and sent["rows"][-1][0] == 0
    assert all(row == frame.loc[row[0]].tolist() for row in sent["rows"])


def test_a17_the_summary_says_the_step_of_each_value() -> None:
    frame = pd.DataFrame({"step": [0, 10, 12], "train_loss": [3.0, 2.5, None], "batch_loss": [None, 2.6, 2.4]})
    said = summary("Loss", frame, [trace for trace in loss_traces(0) if trace.column in frame], {"Bigram": 2.45})
    assert said == (
        "Loss. At step 12: Batch (mean) 2.4000, Train (exact) 2.5000 (of step 10). Reference lines: Bigram 2.4500."
    )


FALLING = pd.DataFrame({"step": [1, 10, 100, 1_000, 10_000], "train": [20.0, 3.0, 2.6, 2.3, 2.1]})
TRAIN = [Trace("train", "Train", "train", measured=True)]


def test_the_heights_are_those_after_the_steep_beginning_and_all_of_them_when_asked() -> None:
    low, high = focus(FALLING, TRAIN, {}, log_x=True, whole=False)
    assert 2.0 < low < 2.1 and 2.6 < high < 2.7
    low, high = focus(FALLING, TRAIN, {}, log_x=True, whole=True)
    assert low < 2.1 and 20 < high < 21
    assert focus(FALLING, TRAIN, {}, log_x=False, whole=False)[1] < 2.2, "linear: 0.4 of the steps is 4,000"
    assert focus(FALLING.iloc[:0], TRAIN, {}, log_x=True, whole=False) == []


def test_a_run_that_diverges_is_seen_to() -> None:
    rising = FALLING.assign(train=[3.0, 2.6, 2.5, 2.9, 40.0])
    assert focus(rising, TRAIN, {}, log_x=True, whole=False)[1] > 40
    lost = FALLING.assign(train=[3.0, 2.6, 2.5, 2.9, np.inf])
    assert focus(lost, TRAIN, {}, log_x=True, whole=False)[1] < 3.1, "what is no number has no place"


@pytest.mark.parametrize(("value", "there"), [(2.5, True), (1.9, True), (2.8, True), (3.9, False), (1.0, False)])
def test_a_line_near_the_curves_is_on_the_chart_with_its_label(sent: dict[str, Any], value: float, there: bool) -> None:
    live_chart(FALLING, key="k", run_id="r", traces=TRAIN, title="Loss", references={"Line": value})
    assert len(sent["layout"]["shapes"]) == there
    low, high = sent["layout"]["yaxis"]["range"]
    assert not there or (low < value and value + 0.04 < high)


def test_labels_of_lines_next_to_each_other_stand_apart(sent: dict[str, Any]) -> None:
    lines = {"High": 2.5, "Higher": 2.51, "Low": 2.2}
    live_chart(FALLING, key="k", run_id="r", traces=TRAIN, title="Loss", references=lines)
    places = {shape["label"]["text"]: shape["label"]["textposition"] for shape in sent["layout"]["shapes"]}
    assert places == {"Low 2.200": "start", "High 2.500": "end", "Higher 2.510": "middle"}
