"""The page Generate: sampled words with their labels, and one character at a time."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from mmcore import Artifact, Run, RunStore, Splits, generate, load, split_words
from tests.app.conftest import Open, texts
from tests.app.elements import field, figure, numbers, without_help
from ui.generate import next_character
from ui.generate.samples import Sampling


@pytest.fixture
def artifact(finished: Run, store: RunStore) -> Artifact:
    weights = store.weights(finished.id)
    assert weights is not None
    return load(weights)


@pytest.fixture
def splits(finished: Run, store: RunStore) -> Splits:
    return split_words(store.corpus(finished.config.corpus_sha256).words, finished.config.split)


def words(app: AppTest) -> list[str]:
    return list(app.dataframe[0].value["word"])


def softmax_after(artifact: Artifact, context: list[int], temperature: float) -> NDArray[np.float64]:
    logits = artifact.model(torch.tensor([context])).detach().double().numpy()[0] / temperature
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def test_without_a_run_it_says_what_to_do(open_page: Open) -> None:
    assert "Train a first model" in texts(open_page("generate"))


def test_the_words_are_those_of_the_library_with_the_same_settings(
    finished: Run, artifact: Artifact, open_page: Open
) -> None:
    app = open_page("generate", run=finished.id)
    app.number_input(key="count").set_value(7)
    app.number_input(key="temperature").set_value(0.7)
    app.number_input(key="top_k").set_value(5)
    app.text_input(key="prefix").set_value("ma")
    app.number_input(key="sample_seed").set_value(11)
    app.number_input(key="max_length").set_value(6).run()
    options = {"temperature": 0.7, "top_k": 5, "prefix": "ma", "max_length": 6}
    expected = generate(artifact.model, artifact.vocab, 7, sample_seed=11, **options)
    assert words(app) == [sample.word for sample in expected]
    cut = sum(not sample.ended for sample in expected)
    assert (f"{cut} reached the length cap" in texts(app)) == bool(cut)


def test_each_word_says_where_it_occurs(finished: Run, splits: Splits, open_page: Open) -> None:
    app = open_page("generate", run=finished.id)
    app.number_input(key="count").set_value(1_000).run()
    titles = {"In train": splits.train, "In validation": splits.val, "In test": splits.test}
    new = 0
    for word, found in app.dataframe[0].value[["word", "found"]].itertuples(index=False):
        where = [title for title, part in titles.items() if word in set(part)][:1] or ["New"]
        assert found == where[0]
        new += found == "New"
    assert f"{new:,} of 1,000 are new" in texts(app)


def test_temperature_zero_always_takes_the_likeliest(finished: Run, open_page: Open) -> None:
    app = open_page("generate", run=finished.id)
    app.number_input(key="temperature").set_value(0.0).run()
    assert len(set(words(app))) == 1


def test_an_unknown_prefix_gets_a_sentence(finished: Run, open_page: Open) -> None:
    app = open_page("generate", run=finished.id)
    app.text_input(key="prefix").set_value("Ω").run()
    assert "must be in the vocabulary" in app.error[0].value and "Ω" in app.error[0].value
    app.text_input(key="prefix").set_value("ma").run()
    assert not app.error and all(word.startswith("ma") for word in words(app))


def test_both_downloads_are_offered(finished: Run, open_page: Open) -> None:
    app = open_page("generate", run=finished.id)
    assert [button.proto.label for button in app.get("download_button")] == ["Words (.txt)", "Table (.csv)"]


def test_the_bars_are_the_softmax_of_the_context(finished: Run, artifact: Artifact, open_page: Open) -> None:
    app = open_page("generate", run=finished.id)
    app.number_input(key="temperature").set_value(0.5)
    field(app, "selectbox", "Next character").set_value("k")
    field(app, "button", "Add").click().run()
    assert app.text[0].value == ".k"
    expected = softmax_after(artifact, [0, 0, 11], 0.5)
    bars = figure(app, 0)["data"][0]
    heights = numbers(bars["y"])
    assert heights == pytest.approx(expected[numbers(bars["customdata"])], abs=1e-6)
    assert (np.diff(heights) <= 0).all()
    assert bars["x"] == ["." if i == 0 else chr(96 + i) for i in numbers(bars["customdata"])]


def test_a_word_grows_by_drawing_into_the_one_that_sampling_writes(
    finished: Run, artifact: Artifact, open_page: Open
) -> None:
    def draw_all(sample_seed: int) -> str:
        app = open_page("generate", run=finished.id)
        app.number_input(key="sample_seed").set_value(sample_seed).run()
        for _ in range(200):
            if app.success:
                break
            field(app, "button", "Draw one").click().run()
        assert "The word is complete" in app.success[0].value
        assert field(app, "button", "Draw one").disabled and field(app, "button", "Add").disabled
        return str(app.text[0].value)

    for sample_seed in (0, 5):
        (sampled,) = generate(artifact.model, artifact.vocab, 1, sample_seed=sample_seed)
        assert draw_all(sample_seed) == f".{sampled.word}."


def test_a_click_that_the_browser_says_again_adds_nothing(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    clicked = SimpleNamespace(selection=SimpleNamespace(points=[{"customdata": 1, "curve_number": 0}]))
    state = {"built": ["b"], "chart": clicked}
    monkeypatch.setattr(next_character.st, "session_state", state)
    for _ in range(2):  # the second comes with the next click, before the chart is gone
        next_character._add_clicked("built", 1, artifact.vocab, "chart")
    assert state["built"] == ["b", "a"]


def test_drawing_goes_on_from_the_word_as_it_is_when_the_button_is_pressed(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = Sampling(count=1, temperature=1.0, top_k=1, prefix="", sample_seed=0, max_length=20)
    for built in (["a"], ["a", "n"]):  # a click since the button was drawn has made it this
        state = {"built": built}
        monkeypatch.setattr(next_character.st, "session_state", state)
        next_character._draw_one("built", artifact, how)
        after = softmax_after(artifact, ([0] * 3 + artifact.vocab.encode("".join(built)))[-3:], 1.0)
        assert state["built"] == [*built, artifact.vocab.symbols[int(after.argmax())]]
    state = {"built": ["a", ""]}
    monkeypatch.setattr(next_character.st, "session_state", state)
    next_character._draw_one("built", artifact, how)
    assert state["built"] == ["a", ""], "nothing follows the end"


def test_a_finished_word_says_where_it_occurs_and_starts_over(finished: Run, splits: Splits, open_page: Open) -> None:
    app = open_page("generate", run=finished.id)
    known = min(splits.train, key=len)
    for symbol in [*known, ""]:
        field(app, "selectbox", "Next character").set_value(symbol)
        field(app, "button", "Add").click().run()
    assert app.success[0].value == f"The word is complete: {known} (in train)."
    field(app, "button", "Start over").click().run()
    assert app.text[0].value == "." and not app.success
    assert field(app, "button", "Start over").disabled


def test_every_field_has_help(finished: Run, open_page: Open) -> None:
    app = open_page("generate", run=finished.id)
    assert without_help(app) == []


def test_b2_what_is_typed_is_cleaned_as_the_corpus_was(finished: Run, open_page: Open) -> None:
    app = open_page("generate", run=finished.id)
    app.text_input(key="prefix").set_value("\ufeffMA\u200br").run()
    app.text_input(key="scored").set_value("AVA").run()
    assert not app.error and not app.exception
    assert all(word.startswith("mar") for word in app.dataframe[0].value["word"])
    assert app.text[0].value == ".mar"
    assert app.dataframe[1].value["symbol"].tolist() == ["a", "v", "a", ". (boundary)"]
