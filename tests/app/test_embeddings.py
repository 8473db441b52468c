"""The page Embeddings: every number of dimensions, every colouring, neighbours and the one-hot check."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mmcore import Run, RunStore, TrainConfig
from mmcore.architectures import model_config
from mmcore.jobs import run_inline
from tests.app.conftest import Open, texts
from tests.app.elements import components, embedding_table, field, keyed, numbers, symbol_map, without_help
from ui.embeddings import pictures
from ui.kit import plots
from ui.run import embedding_map


def points(app: AppTest) -> dict[int, tuple[float, ...]]:
    """Where the chart puts each id."""
    found: dict[int, tuple[float, ...]] = {}
    for trace in symbol_map(app)["data"]:
        places = zip(*(numbers(trace[axis]) for axis in "xyz" if axis in trace), strict=True)
        found |= dict(zip(numbers(trace["customdata"]).tolist(), places, strict=True))
    return found


@pytest.fixture
def trained(finished: Run, store: RunStore) -> Any:
    """A run with so many embedding dimensions."""

    def train(dimensions: int) -> Run:
        model = model_config(embedding_dim=dimensions, hidden_sizes=(8,))
        run = store.create(finished.config.replace(model=model, train=TrainConfig(max_steps=3)))
        return run_inline(store, run.id)

    return train


def test_without_a_run_it_says_what_to_do(open_page: Open) -> None:
    assert "Train a first model" in texts(open_page("embeddings"))


@pytest.mark.parametrize(("dimensions", "view"), [(1, "Raw axis"), (2, "Raw axes"), (3, "Raw axes in 3-D")])
def test_up_to_three_dimensions_are_shown_as_they_are(
    trained: Any, store: RunStore, open_page: Open, dimensions: int, view: str
) -> None:
    run = trained(dimensions)
    app = open_page("embeddings", run=run.id)
    assert not app.exception
    assert app.button_group(key=f"view_{dimensions}").value == view
    table, shown = embedding_table(store, run), points(app)
    assert len(shown) == 27
    for index, place in shown.items():
        assert place[:dimensions] == pytest.approx(table[index].tolist())
    drawn = [text for trace in symbol_map(app)["data"] for text in trace["text"]]
    assert sorted(drawn) == sorted([".", *"abcdefghijklmnopqrstuvwxyz"])


def test_more_dimensions_are_projected_with_the_explained_variance(
    finished: Run, store: RunStore, open_page: Open
) -> None:
    app = open_page("embeddings", run=finished.id)
    table = embedding_table(store, finished).astype(np.float64)
    centred = table - table.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    shown = points(app)
    for place in range(2):
        expected = centred @ vectors[:, -1 - place]
        assert np.abs([shown[i][place] for i in range(27)]) == pytest.approx(np.abs(expected), abs=1e-6)
        share = 100 * values[-1 - place] / values.sum()
        assert symbol_map(app)["layout"]["xy"[place] + "axis"]["title"]["text"] == f"Direction {place + 1}"
        assert f"Direction {place + 1} ({share:.1f} % of variance)" in texts(app)


def test_tsne_on_request_depends_on_its_seed(finished: Run, open_page: Open) -> None:
    app = open_page("embeddings", run=finished.id)
    before = points(app)
    app.button_group(key="view_4").set_value("t-SNE").run()
    first = points(app)
    assert first != before
    field(app, "number_input", "Map seed").set_value(3).run()
    assert points(app) != first
    assert "distances between its groups" in texts(app)


def test_vowels_and_consonants_differ_in_shape_as_well(finished: Run, open_page: Open) -> None:
    app = open_page("embeddings", run=finished.id)
    groups = {trace["name"]: trace for trace in symbol_map(app)["data"]}
    assert sorted(groups["vowel"]["text"]) == list("aeiou")
    assert groups["boundary"]["text"] == ["."]
    assert len(groups["consonant"]["text"]) == 21
    assert len({trace["marker"]["symbol"] for trace in groups.values()}) == 3


def test_a11_how_near_vowels_are_is_counted_in_the_runs_own_table(
    finished: Run, store: RunStore, open_page: Open
) -> None:
    table, vowels = embedding_table(store, finished), {1, 5, 9, 15, 21}  # of a boundary and a to z
    app = open_page("embeddings", run=finished.id)
    for metric in ("cosine", "euclidean"):
        app.segmented_control(key="metric").set_value(metric).run()
        rows = table / np.linalg.norm(table, axis=1, keepdims=True) if metric == "cosine" else table
        far = ((rows[:, None] - rows) ** 2).sum(-1)  # between unit vectors it falls as the cosine grows
        np.fill_diagonal(far, np.inf)
        near = sum(len(vowels & set(np.argsort(far[vowel])[:4])) for vowel in vowels) / 5
        said = f"Of a vowel's 4 nearest neighbours, {near:.2f} are vowels on average; by chance it would be 0.62."
        assert said in texts(app)


def test_a_set_of_ones_own_is_told_from_the_rest(finished: Run, open_page: Open) -> None:
    app = open_page("embeddings", run=finished.id)
    app.selectbox(key="coloring").set_value(pictures.SET).run()
    app.text_input(key="wanted").set_value("XYz\ufeffq").run()  # B2: cleaned as the corpus was
    groups = {trace["name"]: trace["text"] for trace in symbol_map(app)["data"]}
    assert sorted(groups["in the set"]) == list("qxyz")
    assert len(groups["not in the set"]) == 23


@pytest.mark.parametrize(("name", "place"), [("Share as first letter", 0), ("Share as last letter", -1)])
def test_position_shares_are_those_of_the_corpus(
    finished: Run, store: RunStore, open_page: Open, name: str, place: int
) -> None:
    words = store.corpus(finished.config.corpus_sha256).words
    app = open_page("embeddings", run=finished.id)
    app.selectbox(key="coloring").set_value(name).run()
    shaded, unknown = symbol_map(app)["data"]
    assert unknown["text"] == ["."]  # the boundary has no place in a word
    shown = dict(zip(shaded["text"], numbers(shaded["marker"]["color"]), strict=True))
    text = "".join(words)
    for letter in "aq":
        assert shown[letter] == pytest.approx(sum(word[place] == letter for word in words) / text.count(letter))


def test_frequency_is_the_share_of_all_characters_and_ends(finished: Run, store: RunStore, open_page: Open) -> None:
    words = store.corpus(finished.config.corpus_sha256).words
    app = open_page("embeddings", run=finished.id)
    app.selectbox(key="coloring").set_value("Frequency").run()
    shown = numbers(symbol_map(app)["data"][0]["marker"]["color"])
    assert shown[0] == pytest.approx(len(words) / (len(words) + sum(map(len, words))))
    assert sum(shown) == pytest.approx(1)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_chosen_character_shows_neighbours_row_and_one_hot_check(
    finished: Run, store: RunStore, open_page: Open, metric: str
) -> None:
    app = open_page("embeddings", run=finished.id)
    app.selectbox(key="embedding_symbol").set_value("q")
    app.button_group(key="metric").set_value(metric).run()
    table = embedding_table(store, finished).astype(np.float64)
    if metric == "cosine":
        unit = table / np.linalg.norm(table, axis=1, keepdims=True)
        order = np.argsort(-(unit @ unit[17]))
    else:
        order = np.argsort(((table - table[17]) ** 2).sum(axis=1))
    assert app.dataframe[0].value["id"].tolist() == [i for i in order.tolist() if i != 17]
    row = keyed(app)["row"]
    assert numbers(row["data"][0]["y"]) == pytest.approx(table[17].tolist())
    assert row["layout"]["title"]["text"] == "Row of C for q"
    assert "1 at id 17" in texts(app) and "by at most **0**" in texts(app)


def test_another_run_can_be_picked_and_every_field_has_help(trained: Any, finished: Run, open_page: Open) -> None:
    other = trained(2)
    app = open_page("embeddings", run=finished.id)
    assert without_help(app) == []
    app.selectbox(key="run_choice").set_value(other.id).run()
    assert app.query_params["run"] in (other.id, [other.id])
    assert app.button_group(key="view_2").value == "Raw axes"


def test_a_strip_keeps_letters_on_one_level_apart() -> None:
    values = np.random.default_rng(0).normal(size=40)
    levels = embedding_map.stacked(values, gap=0.1)
    for level in set(levels.tolist()):
        on_it = np.sort(values[levels == level])
        assert (np.diff(on_it) >= 0.1 * np.ptp(values)).all()
    assert embedding_map.stacked(np.ones(3)).tolist() == [0, 1, 2]


def test_a_click_arrives_bare_or_in_a_list() -> None:
    assert plots.clicked_id({"customdata": 7}) == plots.clicked_id({"customdata": [7]}) == 7


def test_labels_of_the_map_stand_beside_their_points_and_never_on_each_other(finished: Run, open_page: Open) -> None:
    app = open_page("embeddings", run=finished.id)
    drawn, places = symbol_map(app), points(app)
    labels = next(given["labels"] for given in components(app) if "labels" in given)
    notes = {(note["x"], note["y"]): note for note in labels}
    named = [zip(numbers(trace["customdata"]), trace["text"], strict=True) for trace in drawn["data"]]
    symbols = dict(pair for pairs in named for pair in pairs)
    assert {place: notes[place]["text"] for place in notes} == {places[i]: symbols[i] for i in places}
    assert all(trace["marker"]["size"] < 12 for trace in drawn["data"])
    at = np.array([(note["x"], note["y"]) for note in notes.values()])
    offsets = [(n.get("xshift", n.get("ax")), n.get("yshift", -n.get("ay", 0))) for n in notes.values()]
    for pixels in (260, 340, 450, 900):
        middles = at * pixels / np.ptp(at, axis=0).max() + offsets
        between = np.abs(middles[:, None] - middles) + 1e3 * np.eye(len(middles))[:, :, None]
        assert ((between[..., 0] >= 13) | (between[..., 1] >= 17)).all(), f"labels overlap at {pixels} pixels"
