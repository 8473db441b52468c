"""The loss taken apart on Splits; the test split only once it is open."""

from __future__ import annotations

import pytest

from mmcore import Run, RunStore, build_dataset, load
from mmcore.breakdown import Breakdown
from tests.app.conftest import Open
from tests.app.elements import field, figure, numbers, without_help


def test_a_split_is_taken_apart(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("splits", run=finished.id)
    before = len(app.get("plotly_chart"))
    app.session_state["anatomy"] = True
    app.run()
    assert not app.exception and len(app.get("plotly_chart")) == before + 4
    weights = store.weights(finished.id)
    assert weights is not None
    data = build_dataset(store.corpus(finished.config.corpus_sha256), finished.config.split, 3)
    for name, examples in (("Validation", data.val), ("Train", data.train)):
        field(app, "button_group", "Split taken apart").set_value(name).run()
        found = Breakdown.of(load(weights).model, examples)
        drawn = numbers(figure(app, before)["data"][0]["y"])
        assert drawn == pytest.approx(found.by_position()["loss"].to_numpy(), abs=1e-6)
        hardest, easiest = (app.dataframe[i].value["word"].tolist() for i in (-3, -2))
        words = found.words()["word"].tolist()
        assert hardest == words[:12] and easiest == words[:-13:-1]
    assert without_help(app) == []


def test_the_test_split_is_not_offered_while_sealed(finished: Run, open_page: Open) -> None:
    app = open_page("splits", run=finished.id)
    app.session_state["anatomy"] = True
    app.run()
    assert list(field(app, "button_group", "Split taken apart").options) == ["Validation", "Train"]
    field(app, "button", "Open the test split").click().run()
    assert list(field(app, "button_group", "Split taken apart").options) == ["Validation", "Train", "Test"]
    field(app, "button_group", "Split taken apart").set_value("Test").run()
    assert not app.exception
