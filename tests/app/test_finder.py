"""The learning-rate finder on Train."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, CancelledError, Future
from unittest.mock import MagicMock

import pytest
from streamlit.runtime.scriptrunner import StopException

from mmcore import RunStore
from mmcore.finder import request
from tests.app.conftest import Open, texts
from tests.app.elements import figure, numbers


def test_range_test_look_and_take_the_suggestion(store: RunStore, open_page: Open) -> None:
    app = open_page("train")
    assert not [button for button in app.button if button.label == "Range test"]
    app.session_state["finder"] = True
    app.text_input(key="form_hidden_sizes").set_value("20")
    app.run()
    app.button(key="range_test").click().run()
    assert not app.exception
    drawn = {trace["name"]: trace for trace in figure(app, 0)["data"]}
    assert {"Batch", "Smoothed"} < set(drawn)
    assert figure(app, 0)["layout"]["xaxis"]["type"] == "log"
    suggested = float(next(name for name in drawn if name.startswith("Suggested")).split()[1])
    assert 0.003 < suggested < 0.2
    assert numbers(drawn["Batch"]["x"])[0] == pytest.approx(1e-3)
    app.button(key="use_rate").click().run()
    assert app.number_input(key="form_learning_rate").value == pytest.approx(suggested)
    assert figure(app, 0), "the rate is what a range test varies: it still holds"
    app.button(key="train").click().run()
    run = store.latest()
    assert run is not None and run.config.train.learning_rate == pytest.approx(suggested)


def test_a_range_test_of_other_settings_is_not_shown(open_page: Open) -> None:
    app = open_page("train")
    app.session_state["finder"] = True
    app.text_input(key="form_hidden_sizes").set_value("5")
    app.run()
    app.button(key="range_test").click().run()
    app.text_input(key="form_hidden_sizes").set_value("6").run()
    assert "Run it again" in texts(app)
    assert not [button for button in app.button if button.label.startswith("Use ")]


def test_a_range_test_is_the_workers_and_ends_when_its_visitor_leaves(
    store: RunStore, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("train")
    app.session_state["finder"] = True
    app.run()
    turns = MagicMock()
    turns.submit.return_value = Future()
    turns.ahead.side_effect = [0, StopException]  # as Streamlit ends a script of a session whose page was closed
    monkeypatch.setattr("mmcore.jobs.Turns", lambda make: turns)
    app.button(key="range_test").click().run()
    visitor, function, store_url, config, seconds = turns.submit.call_args.args
    assert (visitor, function, store_url) == (app.session_state["visitor"], request, store.url)
    assert config.train.learning_rate == app.number_input(key="form_learning_rate").value and seconds > 0
    assert [call.args for call in turns.withdraw.call_args_list] == [(visitor,)]


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (CancelledError(), "The range test was withdrawn"),
        (BrokenExecutor("died"), "The worker ended before the range test did"),
        (ValueError("split must have words"), "split must have words"),
    ],
)
def test_a_range_test_that_did_not_come_to_its_end_says_so(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, problem: Exception, sentence: str
) -> None:
    app = open_page("train")
    app.session_state["finder"] = True
    app.run()
    turns = MagicMock()
    turns.submit.return_value = Future()
    turns.submit.return_value.set_exception(problem)
    monkeypatch.setattr("mmcore.jobs.Turns", lambda make: turns)
    app.button(key="range_test").click().run()
    assert sentence in app.error[0].value
    assert not app.exception
