"""The learning-rate finder on Train."""

from __future__ import annotations

import pytest

from mmcore import RunStore
from tests.app.conftest import Open, texts
from tests.app.elements import figure, numbers


def test_sweep_look_and_take_the_suggestion(store: RunStore, open_page: Open) -> None:
    app = open_page("train")
    assert not [button for button in app.button if button.label == "Sweep"]
    app.session_state["finder"] = True
    app.text_input(key="form_hidden_sizes").set_value("20")
    app.run()
    app.button(key="sweep").click().run()
    assert not app.exception
    drawn = {trace["name"]: trace for trace in figure(app, 0)["data"]}
    assert {"Batch", "Smoothed"} < set(drawn)
    assert figure(app, 0)["layout"]["xaxis"]["type"] == "log"
    suggested = float(next(name for name in drawn if name.startswith("Suggested")).split()[1])
    assert 0.003 < suggested < 0.2
    assert numbers(drawn["Batch"]["x"])[0] == pytest.approx(1e-3)
    app.button(key="use_rate").click().run()
    assert app.number_input(key="form_learning_rate").value == pytest.approx(suggested)
    assert figure(app, 0), "the rate is what a sweep varies: it still holds"
    app.button(key="train").click().run()
    run = store.latest()
    assert run is not None and run.config.train.learning_rate == pytest.approx(suggested)


def test_a_sweep_of_other_settings_is_not_shown(open_page: Open) -> None:
    app = open_page("train")
    app.session_state["finder"] = True
    app.text_input(key="form_hidden_sizes").set_value("5")
    app.run()
    app.button(key="sweep").click().run()
    app.text_input(key="form_hidden_sizes").set_value("6").run()
    assert "Sweep again" in texts(app)
    assert not [button for button in app.button if button.label.startswith("Use ")]
