"""The form and a browser that is behind: what was typed stays, whatever the server reads at one time."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mmcore.presets import PRESETS, preset_for
from tests.app.conftest import Open
from ui.form import form

GRU = PRESETS[preset_for("gru")]


def field(app: AppTest, name: str) -> Any:
    """The widget of a field, whatever its kind."""
    return app.get_by_key(f"form_{name}")


def values(app: AppTest) -> tuple[Any, ...]:
    return tuple(field(app, name).value for name in ("architecture", "context_size", "batch_size", "max_steps"))


def test_what_was_typed_stays_when_it_comes_with_the_choice(open_page: Open) -> None:
    app = open_page("train")
    field(app, "architecture").set_value("gru")
    field(app, "max_steps").set_value(77).run()
    assert values(app) == ("gru", GRU.model.context_size, GRU.train.batch_size, 77)


def test_a_later_choice_takes_the_place_of_what_was_typed_before_it(open_page: Open) -> None:
    app = open_page("train")
    field(app, "max_steps").set_value(77).run()
    field(app, "architecture").set_value("gru").run()
    assert values(app) == ("gru", GRU.model.context_size, GRU.train.batch_size, GRU.train.max_steps)
    lstm = PRESETS[preset_for("lstm")]
    field(app, "architecture").set_value("lstm").run()
    assert values(app) == ("lstm", lstm.model.context_size, lstm.train.batch_size, lstm.train.max_steps)


def test_a_choice_whose_page_never_arrived_still_fills_the_form(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next message ended the script before the form was drawn, and was sent before any value arrived."""
    app = open_page("train")
    sent = {name: field(app, name).value for name in ("context_size", "batch_size")}
    with monkeypatch.context() as patch:
        patch.setattr(form, "_keep_what_was_typed", lambda: None)  # as if the script had not come so far
        field(app, "architecture").set_value("gru").run()
    for name, value in sent.items():
        field(app, name).set_value(value)
    app.get_by_key("answer").set_value(0)
    field(app, "max_steps").set_value(77).run()
    assert values(app) == ("gru", GRU.model.context_size, GRU.train.batch_size, 77)
