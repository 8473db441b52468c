"""Count models on the page Splits: their losses, and their mixture with the run."""

from __future__ import annotations

import numpy as np
import pytest

from mmcore import Run, RunStore, build_dataset, load
from mmcore.evaluation import target_probabilities
from mmcore.ngram import KneserNey
from tests.app.conftest import Open
from tests.app.elements import field, figure, metrics, numbers, without_help
from ui import counting
from ui.splits import ngram


def test_the_count_models_are_a_table_a_chart_and_a_line(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("splits", run=finished.id)
    wide = build_dataset(store.corpus(finished.config.corpus_sha256), finished.config.split, 5)
    expected = [KneserNey(wide.train, order).loss(wide.val) for order in range(1, 6)]
    table = next(frame.value for frame in app.dataframe if "unseen words" in frame.value)
    assert table["validation"].tolist() == pytest.approx(expected, abs=1e-9)
    assert table.columns[0] == "order" and table["order"][1] == "2 (3-gram)"
    lines = {note["text"].split("<br>")[0]: note["x"] for note in figure(app, 0)["layout"]["annotations"]}
    order = 1 + expected.index(min(expected))  # that of the run's page is no longer than the model's context
    assert float(lines[f"Kneser-Ney, order {order}"]) == pytest.approx(min(expected))
    drawn = {trace["name"]: numbers(trace["y"]) for trace in figure(app, 1)["data"]}
    assert drawn["Validation"] == pytest.approx(expected, abs=1e-6)


def test_the_mixture_follows_its_slider_and_order(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("splits", run=finished.id)
    field(app, "button_group", "Mix the run with the count model of order").set_value(2)
    field(app, "slider", "Weight of the network").set_value(0.3).run()
    data = build_dataset(store.corpus(finished.config.corpus_sha256), finished.config.split, 3)
    weights = store.weights(finished.id)
    assert weights is not None
    network = target_probabilities(load(weights).model, data.val)
    counted = KneserNey(data.train, 2).probability(data.val.contexts, data.val.targets)
    expected = -np.log(0.3 * network + 0.7 * counted).mean()
    shown = metrics(app)
    assert float(shown["Validation loss at weight 0.30"]) == pytest.approx(expected, abs=6e-5)
    best = next(float(value) for label, value in shown.items() if label.startswith("Best, at weight"))
    assert best <= expected
    assert "test" not in "".join(label.lower() for label in shown if label != "Test loss")
    assert without_help(app) == []


def test_a_mixture_that_gains_nothing_says_so(finished: Run) -> None:
    p = np.array([0.5, 0.25])
    same = ngram.Mixture(np.stack((p, p)), np.full(101, -np.log(p).mean()), 0.5)
    assert "next to nothing" in ngram.mixture_sentence(same)
    other = np.array([0.25, 0.5])
    losses = np.array([-np.log(w * p + (1 - w) * other).mean() for w in ngram.WEIGHTS])
    assert "different mistakes" in ngram.mixture_sentence(ngram.Mixture(np.stack((p, other)), losses, 0.5))


def test_a_large_corpus_is_only_counted_when_asked(
    finished: Run, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "QUICK", 10)
    app = open_page("splits", run=finished.id)
    assert len(app.get("plotly_chart")) == 1
    lines = [note["text"].split("<br>")[0] for note in figure(app, 0)["layout"]["annotations"]]
    assert lines == ["Uniform", "Unigram", "Bigram"]
    app.session_state["counting"] = True
    app.run()
    assert len(app.get("plotly_chart")) == 3 and not app.exception
