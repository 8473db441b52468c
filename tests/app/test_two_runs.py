"""Two runs side by side on Embeddings: which are offered, both maps, common neighbours, a second run by a button."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from mmcore import Run, RunState, RunStore, TrainConfig
from mmcore.architectures import model_config
from mmcore.corpus import corpus_from_words
from mmcore.jobs import run_inline
from tests.app.conftest import Open, texts
from tests.app.elements import embedding_table, figure, keyed, numbers, without_help
from ui.embeddings import two_runs

FIRST, SECOND, SHARES = 1, 2, 3  # the section's charts, after the row of the character looked at
Again = Callable[..., Run]


@pytest.fixture
def again(finished: Run, store: RunStore) -> Again:
    """The finished run with another seed, and perhaps another model."""

    def train(seed: int, **model: object) -> Run:
        changed = finished.config.replace(
            model=finished.config.model.replace(**model), train=finished.config.train.replace(seed=seed)
        )
        return run_inline(store, store.create(changed).id)

    return train


def places(app: AppTest, chart: int) -> NDArray[np.float64]:
    """Where a chart puts each id, a row an id."""
    found: dict[int, tuple[float, float]] = {}
    for trace in figure(app, chart)["data"]:
        points = zip(numbers(trace["x"]).tolist(), numbers(trace["y"]).tolist(), strict=True)
        found |= dict(zip(numbers(trace["customdata"]).tolist(), points, strict=True))
    return np.array([found[i] for i in range(len(found))])


def distances(points: NDArray[np.floating]) -> NDArray[np.float64]:
    rows = np.asarray(points, np.float64)
    return np.asarray(np.linalg.norm(rows[:, None] - rows, axis=2))


def nearest(table: NDArray[np.floating], index: int, count: int, metric: str) -> set[int]:
    rows = np.asarray(table, np.float64)
    if metric == "cosine":
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    ranked = np.argsort(((rows - rows[index]) ** 2).sum(axis=1))
    return set(ranked[ranked != index][:count].tolist())


def test_one_run_is_told_how_to_get_a_second(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("embeddings", run=finished.id)
    assert "Train this run's settings once more with another seed" in app.info[0].value
    assert [*keyed(app)] == ["row"] and without_help(app) == []
    app.button(key="train_again").click().run()
    second = store.latest()
    assert second is not None and second.state is RunState.QUEUED
    assert second.config == finished.config.replace(train=finished.config.train.replace(seed=2))
    assert app.query_params["run"] in (finished.id, [finished.id]), "the visitor stays with the first run"
    assert app.progress[0].text == "Queued, place 1"
    assert app.button(key="train_again").label == "Train the same with seed 3", "a second press is another run"


def test_a_second_run_is_compared_on_demand_and_by_a_link_that_names_it(
    again: Again, finished: Run, open_page: Open
) -> None:
    other = again(2)
    app = open_page("embeddings", run=finished.id)
    assert [*keyed(app)] == ["row"] and "They differ in seed" not in texts(app), "nothing that nobody asked for"
    app.session_state["compared"] = True
    app.run()
    assert "They differ in seed" in texts(app) and app.query_params["compared"] in ("1", ["1"])
    for named in ({"second": other.id}, {"k": "3"}):
        assert "They differ in seed" in texts(open_page("embeddings", run=finished.id, **named))


def test_the_run_of_the_button_is_compared_once_it_has_ended(
    again: Again, finished: Run, store: RunStore, open_page: Open
) -> None:
    older = again(2)
    app = open_page("embeddings", run=finished.id, compared="1")
    assert app.selectbox(key="second_run").value == older.id
    app.button(key="train_again").click().run()
    assert app.selectbox(key="second_run").value == older.id
    third = store.latest()
    assert third is not None and third.config.train.seed == 3
    run_inline(store, third.id)
    app.run()
    assert app.selectbox(key="second_run").value == third.id
    assert "They differ in seed (1 → 3)" in texts(app).replace("\\", "")
    assert not app.progress


def test_who_folds_the_comparison_is_not_shown_it_again(
    again: Again, finished: Run, store: RunStore, open_page: Open
) -> None:
    again(2)
    app = open_page("embeddings", run=finished.id, compared="1")
    app.button(key="train_again").click().run()
    assert app.progress[0].text == "Queued, place 1"
    app.session_state["compared"] = False
    app.run()
    assert app.progress[0].text == "Queued, place 1", "how far it is stays in view"
    run_inline(store, store.queued()[0])
    app.run()
    assert app.session_state["compared"] is False and [*keyed(app)] == ["row"]


def test_two_architectures_differ_in_what_both_have(finished: Run) -> None:
    mlp = finished.config.replace(model=model_config(direct=True), train=TrainConfig(seed=0))
    relu = mlp.replace(model=model_config(hidden_sizes=(), direct=True, activation="relu"), train=TrainConfig(seed=1))
    assert two_runs.differences(mlp, relu) == (
        "They differ in hidden units (200 → none), activation (tanh → ReLU), seed (0 → 1)."
    )
    plain = mlp.replace(model=model_config())
    assert two_runs.differences(plain, mlp) == "They differ in direct connections (off → on)."
    gru = mlp.replace(model=model_config(architecture="gru"), train=TrainConfig(seed=0, sampler="words"))
    assert two_runs.differences(mlp, gru) == (
        "They differ in architecture (MLP → GRU), context size (3 → 16), embedding dimension (10 → 32), "
        "hidden units (200 → 128), batches from (Contexts → Words)."
    )


def test_only_runs_of_the_same_symbols_with_a_table_are_offered(
    again: Again, finished: Run, store: RunStore, open_page: Open
) -> None:
    wide = again(1, embedding_dim=5)
    like = again(2)
    wider = again(3, embedding_dim=6)
    sha256 = store.add_corpus(corpus_from_words(["ab", "ba", "aab", "abb", "bba", "bab"] * 5, "two letters"))
    run_inline(store, store.create(finished.config.replace(corpus_sha256=sha256)).id)
    bigram = finished.config.replace(model=model_config(architecture="bigram"), train=TrainConfig(max_steps=2))
    run_inline(store, store.create(bigram).id)
    store.create(finished.config)
    app = open_page("embeddings", run=finished.id, compared="1")
    assert len(app.selectbox(key="second_run").options) == 3
    assert app.selectbox(key="second_run").value == like.id, "what differs in the seed only comes first"
    said = texts(app).replace("\\", "")
    for why in ("with another vocabulary", "without an embedding table", "still in training"):
        assert f"1 {why}" in said
    for run, columns in ((wide, 5), (wider, 6)):
        app.selectbox(key="second_run").set_value(run.id).run()
        assert not app.exception
        assert f"embedding dimension (4 → {columns})" in texts(app).replace("\\", "")


def test_the_second_map_is_turned_and_not_bent(again: Again, finished: Run, store: RunStore, open_page: Open) -> None:
    first, second = again(1, embedding_dim=2), again(2, embedding_dim=2)
    table, other = embedding_table(store, first), embedding_table(store, second)
    app = open_page("embeddings", run=first.id, compared="1")
    shown, turned = places(app, FIRST), places(app, SECOND)
    assert shown == pytest.approx(table, abs=1e-6)
    factor = distances(turned) / np.where(distances(other) > 0, distances(other), np.inf)
    off = factor[~np.eye(27, dtype=bool)]
    assert off == pytest.approx(np.full(27 * 26, off[0]), rel=1e-4), "one factor for all distances"
    centred = table - table.mean(axis=0), other - other.mean(axis=0)
    assert off[0] == pytest.approx(np.linalg.norm(centred[0]) / np.linalg.norm(centred[1]), rel=1e-4)
    before = np.linalg.norm(centred[0] - off[0] * centred[1])
    assert np.linalg.norm(turned - shown) < before, "nearer than without the turn"
    for axis in ("xaxis", "yaxis"):
        ranges = [figure(app, chart)["layout"][axis]["range"] for chart in (FIRST, SECOND)]
        assert ranges[0] == ranges[1]


def test_a_strip_and_a_plane_are_compared_on_a_line(again: Again, finished: Run, open_page: Open) -> None:
    strip = again(2, embedding_dim=1)
    app = open_page("embeddings", run=finished.id, compared="1")
    assert app.selectbox(key="second_run").value == strip.id
    assert not app.exception
    assert figure(app, SECOND)["layout"]["xaxis"]["title"]["text"] == "Direction 1 of the first run"


@pytest.mark.parametrize(("metric", "count"), [("cosine", 5), ("euclidean", 3)])
def test_shares_are_counted_beside_chance(
    again: Again, finished: Run, store: RunStore, open_page: Open, metric: str, count: int
) -> None:
    tables = [embedding_table(store, run) for run in (finished, again(2))]
    app = open_page("embeddings", run=finished.id, compared="1")
    app.button_group(key="metric").set_value(metric)
    app.number_input(key="neighbours_compared_26").set_value(count).run()
    common = [len(set.intersection(*(nearest(table, i, count, metric) for table in tables))) for i in range(27)]
    symbols = [".", *"abcdefghijklmnopqrstuvwxyz"]
    bars = figure(app, SHARES)["data"][0]
    shown = dict(zip(bars["x"], numbers(bars["y"]).tolist(), strict=True))
    assert shown == {symbol: pytest.approx(n / count) for symbol, n in zip(symbols, common, strict=True)}
    line = figure(app, SHARES)["layout"]["shapes"][0]
    assert line["y0"] == line["y1"] == pytest.approx(count / 26)
    said = texts(app)
    assert f"**{100 * sum(common) / count / 27:.1f} %**" in said
    assert f"{100 * count / 26:.1f} % by chance ({count} of 26)" in said
    rows = app.dataframe[1].value
    assert dict(zip(rows["character"], rows["in common"], strict=True)) == dict(zip(symbols, common, strict=True))


def test_the_next_seed_is_one_that_no_run_like_it_has_had(finished: Run, again: Again, store: RunStore) -> None:
    again(2)
    again(3, embedding_dim=5)
    assert two_runs.next_seed(finished.config) == 3
    last = finished.config.replace(train=finished.config.train.replace(seed=2**63 - 1))
    assert two_runs.next_seed(last) == 0
