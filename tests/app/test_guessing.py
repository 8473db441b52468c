"""You against the model on Lessons: guesses, what came of them, and nothing of test."""

from __future__ import annotations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from mmcore import BUNDLED_NAMES, Run, RunStore, build_dataset, corpus_from_words, read_words
from mmcore.config import SplitConfig
from mmcore.dataset import build_examples
from mmcore.guessing import Game, Player, code_lengths, first_shares
from mmcore.ngram import NGram
from tests.app.conftest import Open, texts
from ui.lessons import guessing


def deal(app: AppTest) -> tuple[AppTest, Game]:
    app.button(key="start_guessing").click().run()
    assert not app.exception
    return app, app.session_state["guessing"][2]


def guess(app: AppTest, symbol: int) -> AppTest:
    """Choose a symbol as a visitor does."""
    (pills,) = [group for group in app.button_group if str(group.key).startswith("guess_")]
    pills.set_value(symbol).run()
    assert not app.exception
    return app


def test_a_word_is_guessed_and_scored_beside_the_models(finished: Run, open_page: Open) -> None:
    app, game = deal(open_page("lessons", run=finished.id))
    word = game.words[0]
    assert app.code[-1].value == "_", "nothing of it is shown"
    ids = [*game.vocab.encode(word), 0]
    miss = next(i for i in game.left if i != ids[0])
    guess(app, miss)
    assert f"Not: {game.vocab.symbols[miss] or guessing.END}" in texts(app).replace("\\", "")
    for symbol in ids[:-1]:
        guess(app, symbol)
    assert app.code[-1].value == f"{word}_"
    app.button(key="give_up").click().run()
    assert game.done and game.done[0][:2] == (2, 1) and f"The last word was **{word}**" in texts(app)
    data = build_dataset(read_words(BUNDLED_NAMES).words, SplitConfig(), 1)
    examples = build_examples([word], game.vocab, 1)
    bigram = NGram(data.train, 1)
    expected = Player.model(bigram.distribution(examples.contexts), examples.targets)
    table = next(frame.value for frame in app.dataframe if "Who" in frame.value).set_index("Who")
    assert list(table.index) == [guessing.YOU, f"Run “{finished.name}”", guessing.KNESER_NEY, guessing.BIGRAM]
    row = table.loc[guessing.BIGRAM]
    assert row["Guesses per character"] == pytest.approx(np.mean(expected.ranks))
    assert row["Loss by probabilities"] == pytest.approx(bigram.loss(examples))
    shares = first_shares(bigram)
    mine = code_lengths(game.done[0], shares).mean()
    assert table.loc[guessing.YOU, "Loss by guesses"] == pytest.approx(mine)
    more = mine - code_lengths(expected.ranks, shares).mean()
    said = f"your loss by guesses is {abs(more):.2f} nats per character {'higher' if more > 0 else 'lower'}"
    assert f"{guessing.BIGRAM}: {said}" in texts(app).replace("\\", "")


def test_without_a_run_the_count_models_play_and_a_link_leads_to_train(open_page: Open) -> None:
    app, game = deal(open_page("lessons"))
    while not game.done:
        app.button(key="give_up").click().run()
    table = next(frame.value for frame in app.dataframe if "Who" in frame.value)
    assert table["Who"].tolist() == [guessing.YOU, guessing.KNESER_NEY, guessing.BIGRAM]
    assert [link for link in app.get("page_link") if link.proto.label == "Train a model to play against"]


def test_a_corpus_without_such_words_says_so(store: RunStore, open_page: Open) -> None:
    sha256 = store.add_corpus(corpus_from_words(["ab"] * 40, "one"))
    app = open_page("lessons", corpus=sha256)
    app.button(key="start_guessing").click().run()
    assert not app.exception
    assert "validation words must be some that occur in neither train nor test, got 0" in texts(app).replace("\\", "")


def test_a_difference_within_two_errors_may_be_chance() -> None:
    shares = np.array([0.5, 0.25, 0.25])
    close = {guessing.YOU: Player((1, 2, 1, 3)), "Bigram": Player((2, 1, 3, 1))}
    assert "which may be chance" in guessing.verdict(close, shares, "character")[0]
    far = {guessing.YOU: Player((1,) * 40), "Bigram": Player((1, 3) * 20)}
    (said,) = guessing.verdict(far, shares, "character")
    assert "lower" in said and "more than chance makes likely" in said
    few = {name: Player(player.ranks[: guessing.CHARACTERS - 1]) for name, player in far.items()}
    assert "may be chance" in guessing.verdict(few, shares, "character")[0], "too few characters to tell"
    assert (
        "may be chance"
        in guessing.verdict({guessing.YOU: Player((1,)), "Bigram": Player((3,))}, shares, "character")[0]
    )
