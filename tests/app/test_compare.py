"""The page Compare: which runs an address means, their curves, what differs, their losses and maps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from mmcore import Model, Run, RunStore, load
from mmcore.architectures import model_config
from mmcore.corpus import corpus_from_words
from mmcore.curves import smoothed
from mmcore.dataset import Dataset, build_dataset
from mmcore.differences import distinct_names
from mmcore.evaluation import target_probabilities
from mmcore.jobs import run_inline
from mmcore.losses import nats
from mmcore.mixture import Mixed
from mmcore.ngram import KneserNey
from mmcore.store import Progress
from mmcore.training import Step
from tests.app.conftest import Open, texts
from tests.app.elements import figure, numbers, without_help
from ui.compare import choice, losses, mixture
from ui.compare.curves import View, lines, notes, x_title
from ui.kit import theme
from ui.kit.live import overlay as live

STEPS = View(x="step", y="val_loss", half_life=0, log_x=False, log_y=False)


@pytest.fixture
def two(finished: Run, store: RunStore) -> tuple[Run, Run]:
    """The finished run, and one with other batches and another seed."""
    train = finished.config.train.replace(seed=2, batch_size=32, sampler="examples")
    return finished, run_inline(store, store.create(finished.config.replace(train=train), name="other").id)


def compared(open_page: Open, *ids: str) -> AppTest:
    return open_page("compare", runs=",".join(ids))


def shown(app: AppTest) -> list[str]:
    return list(app.multiselect(key=choice.FIELD).value)


# ---- which runs


def test_without_runs_the_page_says_how_to_choose_some(finished: Run, open_page: Open) -> None:
    app = open_page("compare")
    assert "tick several on the page Runs" in app.info[0].value
    assert app.get("page_link")[0].proto.label == "Go to Runs"
    app.multiselect(key=choice.FIELD).set_value([finished.id]).run()
    assert app.query_params["runs"] == finished.id and "One run is chosen." in texts(app)
    assert not without_help(app)


def test_an_address_names_runs_by_id_or_its_first_digits_in_its_order(two: tuple[Run, Run], open_page: Open) -> None:
    first, second = two
    app = compared(open_page, second.id, first.id[:6])
    assert shown(app) == [second.id, first.id]
    assert app.query_params["runs"] == f"{second.id},{first.id}", "whole, so that it lasts"
    app = app.switch_page("app_pages/data.py").run().switch_page("app_pages/compare.py").run()
    assert shown(app) == [second.id, first.id], "what was compared last"


def test_what_an_address_has_of_nonsense_gets_a_sentence_and_the_rest_is_shown(
    finished: Run, store: RunStore, open_page: Open
) -> None:
    gone, unreadable = store.create(finished.config), store.create(finished.config)
    store.delete(gone.id)
    with store._write() as db:
        db.exec_driver_sql("UPDATE runs SET config = '{}' WHERE id = ?", (unreadable.id,))
    app = compared(open_page, "nope", finished.id, gone.id, unreadable.id)
    said = app.warning[0].value.replace("\\", "")
    assert "run must be in the store, got id 'nope'" in said and f"got id '{gone.id}'" in said
    assert "1 run cannot be read" in said and said.endswith("The others are shown.")
    assert shown(app) == [finished.id] and not app.exception
    assert "tick several" in compared(open_page, "nope").info[0].value


def test_there_are_twenty_at_most(finished: Run, store: RunStore, open_page: Open) -> None:
    ids = [store.create(finished.config).id for _ in range(21)]
    app = compared(open_page, *ids)
    assert shown(app) == ids[:20]
    assert "runs must be at most 20, got 21" in app.warning[0].value


def test_what_is_shown_of_them_is_in_the_address_too(two: tuple[Run, Run], open_page: Open) -> None:
    first, second = two
    shown = {"loss": "both", "against": "seconds", "half_life": "5", "log_x": "1", "mixture": "1", "counted": "0"}
    shown |= {"maps": "1", "left": second.id}
    app = open_page("compare", runs=f"{first.id},{second.id}", right=first.id, **shown)
    assert not app.warning and not app.exception
    assert {name: value for name, value in app.query_params.items() if name != "runs"} == shown
    assert (app.select_slider(key="compare_smoothing").value, app.toggle(key="compare_log_x").value) == (5, True)
    assert app.toggle(key="mixture_counts_1").value is False
    assert [app.selectbox(key=f"map_{side}").value for side in ("left", "right")] == [second.id, first.id]
    app.selectbox(key="map_left").set_value(first.id).run()
    assert app.selectbox(key="map_right").value == second.id, "never beside itself"
    app = open_page("compare", runs=f"{first.id},{second.id}", half_life="3", loss="none", maps="1", left="x")
    wrong = [warning.value.replace("\\", "").split(" must be ")[0] for warning in app.warning]
    assert wrong == [f"In the address, {name}" for name in ("loss", "half_life", "left")]


# ---- curves


def drawn(runs: list[Run], store: RunStore, **view: Any) -> list[live.Line]:
    histories = {run.id: store.history(run.id) for run in runs}
    return list(lines(runs, histories, View(**{**vars(STEPS), **view})))


def test_curves_have_each_runs_own_points_and_a_look_of_their_own(two: tuple[Run, Run], store: RunStore) -> None:
    for run, line in zip(two, drawn(list(two), store), strict=True):
        history = store.history(run.id).dropna(subset="val_loss")
        assert line.x.tolist() == history["step"].tolist() and line.y.tolist() == history["val_loss"].tolist()
        assert line.name == run.name
    looks = [theme.series(number, "light") for number in range(20)]
    assert len(set(looks)) == 20


def test_examples_seen_are_steps_times_batch_size_and_say_what_is_counted(
    two: tuple[Run, Run], store: RunStore
) -> None:
    first, second = drawn(list(two), store, x="seen")
    assert (first.x.max(), second.x.max()) == (30 * 256, 30 * 32)
    assert x_title([two[1]], "seen") == "Examples seen" and x_title(two, "seen") == "Contexts or examples seen"
    histories = {run.id: store.history(run.id) for run in two}
    view = View(**{**vars(STEPS), "x": "seen"})
    assert any("do not count the same" in note for note in notes(two, histories, view))
    assert not any("do not count the same" in note for note in notes([two[0]], histories, view))


def test_a_smooth_curve_has_its_points_behind_it(two: tuple[Run, Run], store: RunStore) -> None:
    raw, smooth = drawn([two[0]], store, y="batch_loss", half_life=5)
    assert raw.faint and not smooth.faint and raw.x.equals(smooth.x)
    assert smooth.y.equals(smoothed(raw.y, 5)) and not smooth.y.equals(raw.y)
    both = drawn([two[0]], store, y="both")
    assert [(line.dotted, line.name) for line in both] == [(False, two[0].name), (True, f"{two[0].name}, train")]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the browser is given by the last chart."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(live, "_component", lambda *, key, data: given.update(data))
    return given


def test_the_chart_says_its_axes_smoothing_and_ends(
    sent: dict[str, Any], two: tuple[Run, Run], open_page: Open
) -> None:
    app = compared(open_page, *(run.id for run in two))
    assert sent["title"] == "Validation loss by steps" and len(sent["traces"]) == 2
    assert two[0].name in sent["summary"] and sent["rows"][1][0] == "other"
    assert sent["rows"][1][2] == nats(two[1].losses["val_loss"])
    before = sent["layout"]["uirevision"]
    app.select_slider(key="compare_smoothing").set_value(5).run()
    assert sent["title"] == "Validation loss by steps, moving average with a half-life of 5 points"
    assert sent["layout"]["uirevision"] == before, "zoom stays"
    app.button_group(key="compare_x").set_value("seconds").run()
    assert sent["layout"]["xaxis"]["title"]["text"] == "Training time (seconds)"
    assert sent["layout"]["uirevision"] != before
    app.toggle(key="compare_log_x").set_value(True).run()
    assert (sent["layout"]["xaxis"]["type"], sent["layout"]["yaxis"]["type"]) == ("log", "linear")
    assert all(min(trace["x"]) > 0 for trace in sent["traces"]), "0 has no logarithm"
    assert not without_help(app)


def test_a_long_curve_is_sent_with_its_ends(sent: dict[str, Any]) -> None:
    x = pd.Series(np.arange(2_000.0))
    live.overlay(
        [live.Line("r c", "x" * 60, 0, x, 3 - x / 1_000)], key="k", same="s", title="t", x_title="x", y_title="y"
    )
    (trace,) = sent["traces"]
    assert (trace["x"][0], trace["x"][-1], trace["y"][-1]) == (0, 1_999, 1.001) and len(trace["x"]) <= 400
    assert trace["name"] == "x" * 48 + "…" and sent["rows"] == [["x" * 60, "1,999", "1.0010", "1.0010", "1,999"]]


def test_a_run_without_points_is_said_to_have_none(finished: Run, store: RunStore, open_page: Open) -> None:
    waiting = store.create(finished.config, name="waits")
    app = compared(open_page, finished.id, waiting.id)
    assert "1 of 2 runs has no point of this curve yet." in texts(app) and not app.exception


# ---- settings and losses


def test_only_settings_that_differ_are_in_the_table(two: tuple[Run, Run], open_page: Open) -> None:
    app = compared(open_page, *(run.id for run in two))
    table = app.dataframe[0].value.set_index("Setting")
    assert list(table.index) == ["Batch size", "Batches from", "Seed"]
    assert table.loc["Batch size"].tolist() == ["256", "32"]
    assert "These 2 runs differ in 3 of " in texts(app)
    same = app.table[0].value
    assert "Learning rate" in set(same["Setting"]) and "Seed" not in set(same["Setting"])


def test_runs_of_the_same_settings_are_said_to_be_the_same(finished: Run, store: RunStore, open_page: Open) -> None:
    again = run_inline(store, store.create(finished.config).id)
    app = compared(open_page, finished.id, again.id)
    assert f"All {len(app.table[0].value)} settings are the same in these 2 runs." in texts(app)
    assert "that of several runs" in texts(app), "they have the same losses, to the bit"
    assert finished.id in app.dataframe[0].value["Run"][0], "names that are the same get their ids"


def test_many_runs_are_rows(finished: Run, store: RunStore, open_page: Open) -> None:
    train = finished.config.train
    ids = [store.create(finished.config.replace(train=train.replace(seed=seed))).id for seed in range(7)]
    table = compared(open_page, *ids).dataframe[0].value
    assert list(table.columns) == ["Run", "Seed"] and table["Seed"].tolist() == list("0123456")


def test_losses_differ_from_the_first_runs(two: tuple[Run, Run], open_page: Open) -> None:
    first, second = two
    app = compared(open_page, second.id, first.id)
    table = app.dataframe[1].value
    apart = first.losses["val_loss"] - second.losses["val_loss"]
    assert table["Validation loss − first"].tolist() == pytest.approx([np.nan, apart], nan_ok=True)
    assert table["Steps"].tolist() == [30, 30]
    best = min(two, key=lambda run: run.losses["val_loss"])
    said = texts(app).replace("\\", "")
    assert f"Lowest validation loss: **{best.name}**, {nats(best.losses['val_loss'])}, {nats(abs(apart))} below" in said
    bars = {trace["name"]: numbers(trace["x"]).tolist() for trace in figure(app, 0)["data"]}
    assert list(bars) == ["Validation loss", "Loss on unseen words", "Train loss"]
    assert bars["Validation loss"] == pytest.approx([run.losses["val_loss"] for run in (second, first)])


def test_the_test_split_is_shown_of_runs_where_it_was_opened(
    two: tuple[Run, Run], store: RunStore, open_page: Open
) -> None:
    ids = [run.id for run in two]
    app = compared(open_page, *ids)
    assert "The test split of all of them is sealed" in texts(app)
    assert not any("Test" in column for column in app.dataframe[1].value.columns)
    store.open_test(ids[0])
    app = compared(open_page, *ids)
    column = app.dataframe[1].value["Test loss"]
    assert column[0] == store.run(ids[0]).losses["test_loss"] and pd.isna(column[1])
    assert "The test split of 1 run is sealed, and not shown." in texts(app)


def test_losses_of_other_words_are_not_to_be_ranked(finished: Run, store: RunStore) -> None:
    split = store.create(finished.config.replace(split=finished.config.split.replace(split_seed=1)))
    sha256 = store.add_corpus(corpus_from_words(["ann", "bea", "cleo", "dora", "eve"], "five"))
    corpus = store.create(finished.config.replace(corpus_sha256=sha256))
    assert losses.unlike([finished, finished]) == ""
    assert "split their corpus differently" in losses.unlike([finished, split])
    assert "on different corpora" in losses.unlike([finished, corpus])


# ---- maps, and runs that move


def test_two_maps_lie_on_the_same_axes(two: tuple[Run, Run], store: RunStore, open_page: Open) -> None:
    app = compared(open_page, *(run.id for run in two))
    assert "side_True" not in [chart.proto.id for chart in app.get("plotly_chart")]
    app.session_state["maps"] = True
    app.run()
    left, right = figure(app, 1), figure(app, 2)
    assert left["layout"]["xaxis"]["range"] == right["layout"]["xaxis"]["range"]
    bigram = store.create(finished_bigram(two[0], store).config)
    app = compared(open_page, two[0].id, bigram.id)
    app.session_state["maps"] = True
    app.run()
    assert "Two of the runs must have saved an embedding table." in texts(app)


def finished_bigram(run: Run, store: RunStore) -> Run:
    return run_inline(store, store.create(run.config.replace(model=model_config(architecture="bigram"))).id)


def test_a_run_in_training_is_shown_as_far_as_it_is(
    sent: dict[str, Any], finished: Run, store: RunStore, open_page: Open
) -> None:
    working = store.create(finished.config, name="works", token="mine")
    app = compared(open_page, finished.id, working.id)
    assert app.dataframe[0].value["Steps"].tolist() == [30, 0] and len(sent["traces"]) == 1
    point = Step(step=7, learning_rate=0.1, seconds=0.5, val_loss=3.0)
    store.record(working.id, "mine", Progress(points=[point]))
    app.run()
    assert sent["traces"][1]["x"] == [7] and sent["rows"][1][:3] == ["works", "7", "3.0000"]


# ---- several runs as one model


def test_a_mixture_of_the_runs_is_the_weighted_mean_of_what_they_say(
    two: tuple[Run, Run], store: RunStore, open_page: Open
) -> None:
    app = compared(open_page, *(run.id for run in two))
    app.session_state["mixture"] = True
    app.run()
    table = next(element.value for element in app.dataframe if "Weight" in element.value)
    weights = table.set_index("Model")["Weight"]
    assert weights.sum() == pytest.approx(1) and len(weights) == 3 and weights.index[-1] in distinct(two)
    data = build_dataset(store.corpus(two[0].config.corpus_sha256), two[0].config.split, 5)
    order = int(next(name for name in weights.index if name.startswith("Kneser-Ney, order ")).split()[-1])
    counted = KneserNey(data.train, order)
    for part, label in ((data.val, "Validation loss of the mixture"), (data.val_unseen, "Loss on unseen words")):
        p = weights[f"Kneser-Ney, order {order}"] * counted.probability(part.contexts, part.targets)
        for run, name in zip(two, distinct(two), strict=True):
            own = getattr(run_data(run, store), "val" if part is data.val else "val_unseen")
            p = p + weights[name] * target_probabilities(model_of(run, store), own)
        shown = next(metric for metric in app.metric if metric.label == label)
        assert float(shown.value) == pytest.approx(-np.log(p).mean(), abs=6e-5)
    assert [metric.value for metric in app.metric if metric.label == "Test loss"] == ["Sealed"]
    assert "test" not in " ".join(table.columns).lower()
    assert not without_help(app)
    app.toggle(key="mixture_counts_1").set_value(False).run()
    table = next(element.value for element in app.dataframe if "Weight" in element.value)
    assert sorted(table["Model"]) == sorted(distinct(two)) and table["Weight"].sum() == pytest.approx(1)


def test_the_test_split_of_a_mixture_is_opened_on_purpose_and_counted_for_each_run(
    two: tuple[Run, Run], store: RunStore, open_page: Open
) -> None:
    app = compared(open_page, *(run.id for run in two))
    app.session_state["mixture"] = True
    app.run()
    app.button(key="mixture_open_test").click().run()
    assert "counted for 2 runs" in texts(app)
    app.button(key="confirm_open").click().run()
    assert [store.run(run.id).test_openings for run in two] == [1, 1]
    data = build_dataset(store.corpus(two[0].config.corpus_sha256), two[0].config.split, 5)
    table = next(element.value for element in app.dataframe if "Weight" in element.value)
    assert table["Test loss"].notna().all()
    by_name = table.set_index("Model")["Test loss"]
    order = int(next(name for name in by_name.index if name.startswith("Kneser-Ney")).split()[-1])
    expected = KneserNey(data.train, order).loss(data.test)
    assert by_name[f"Kneser-Ney, order {order}"] == pytest.approx(expected, abs=1e-9)
    assert any(metric.label == "Test loss" and metric.value != "Sealed" for metric in app.metric)
    assert not any(button.key == "mixture_open_test" for button in app.button)


def test_what_cannot_be_mixed_says_why(two: tuple[Run, Run], store: RunStore, open_page: Open) -> None:
    first, _ = two
    other = store.add_corpus(corpus_from_words(["ann", "bob", "carl", "dora", "eve"] * 20, "five"))
    elsewhere = run_inline(store, store.create(first.config.replace(corpus_sha256=other)).id)
    for ids, sentence in (
        ((first.id,), "Two of the runs must have saved weights."),
        ((first.id, elsewhere.id), "These runs are on different corpora"),
    ):
        app = compared(open_page, *ids)
        app.session_state["mixture"] = True
        app.run()
        assert sentence in " ".join(info.value for info in app.info) and not app.exception


def test_what_mixing_is_worth_is_said_by_its_figures() -> None:
    p = np.array([[0.5, 0.25, 0.5], [0.25, 0.5, 0.25]])
    alone = -np.log(p).mean(1)
    same = Mixed(
        titles=["a*b", "c"],
        weights=np.array([1.0, 0.0]),
        losses={"val_loss": alone},
        loss={"val_loss": float(alone[0])},
        equal=1.0,
    )
    assert mixture.in_words(same) == r"Mixing gains next to nothing: a\*b knows what the others know."
    better = replace(same, loss={"val_loss": float(alone[0]) - 0.0123}, equal=0.98765)
    assert "0.0123 nats per character better together than a\\*b alone" in mixture.in_words(better)
    assert "With equal weights the loss would be 0.9877." in mixture.in_words(better)


def distinct(runs: tuple[Run, Run]) -> list[str]:
    return list(distinct_names(runs).values())


def run_data(run: Run, store: RunStore) -> Dataset:
    return build_dataset(store.corpus(run.config.corpus_sha256), run.config.split, run.config.model.context_size)


def model_of(run: Run, store: RunStore) -> Model:
    weights = store.weights(run.id)
    assert weights is not None
    return load(weights).model
