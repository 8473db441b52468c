"""Every page of a run whose symbols are graphemes or words, and what it calls them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from mmcore import Run, RunConfig, RunStore, TrainConfig, Vocab
from mmcore.corpus import Corpus
from mmcore.jobs import run_inline
from mmcore.reading import LIMITS, Reading, read_corpus
from mmcore.symbols import GRAPHEMES, WORDS
from tests.app.conftest import PAGES, Open, texts
from tests.app.elements import field, metrics
from tests.models import SMALL
from ui.kit import nouns

TEXTS = Path(__file__).parents[1] / "core" / "texts"
READINGS = {
    "emoji": ("emoji.txt", Reading(tokens=GRAPHEMES)),
    "story": ("story.txt", Reading(tokens=WORDS, min_count=2)),
}


def corpus(name: str) -> Corpus:
    file, how = READINGS[name]
    return read_corpus(TEXTS / file, how)


def trained(store: RunStore, name: str, model: str = "mlp") -> Run:
    sha256 = store.add_corpus(corpus(name))
    config = RunConfig(corpus_sha256=sha256, model=SMALL[model], train=TrainConfig(max_steps=20, batch_size=8))
    return run_inline(store, store.create(config, token="tests").id, token="tests")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", READINGS)
def test_every_page_of_such_a_run_is_drawn(store: RunStore, open_page: Open, name: str, page: str) -> None:
    run = trained(store, name)
    app = open_page(page, run=run.id, corpus=run.config.corpus_sha256)
    assert not app.exception and not app.error


def test_words_of_running_text_are_called_words_of_sentences(store: RunStore, open_page: Open) -> None:
    run = trained(store, "story")
    data = open_page("data", corpus=run.config.corpus_sha256)
    assert metrics(data)["Sentences"] == "32" and metrics(data)["Longest sentence"] == "9"
    assert "story · 32 sentences" in data.selectbox(key="corpus_choice").options
    assert "Pairs of words" in texts(data) and "one for each word and one for its end" in texts(data)
    generate = open_page("generate", run=run.id)
    field(generate, "text_input", "Sentence to score").set_value("The FOX  reads, zebra").run()
    assert not generate.error and "the model would write this sentence once in" in texts(generate)
    score = generate.dataframe[1].value
    assert score["symbol"].tolist() == ["the", "fox", "reads", "<unk>", ". (boundary)"]
    assert score["context"].tolist()[-1] == "fox reads <unk>"
    assert "next word" in texts(generate)


@pytest.mark.parametrize("page", ["data", "train", "splits", "embeddings", "neurons", "generate"])
def test_no_page_about_a_run_on_words_speaks_of_characters(store: RunStore, open_page: Open, page: str) -> None:
    run = trained(store, "story")
    app = open_page(page, run=run.id, corpus=run.config.corpus_sha256)
    for opened in ("counting", "anatomy", "audit"):
        app.session_state[opened] = True
    app.run()
    assert not app.exception
    said = texts(app).replace(LIMITS, "") + " ".join(titles(app))
    assert re.findall(r"[^.]*\bcharacters?\b[^.]*", said) == []


def titles(app: AppTest) -> Iterator[str]:
    """Of the page's charts and of their axes."""
    for element in app.get("plotly_chart"):
        layout = json.loads(element.proto.spec)["layout"]
        yield from (str(layout.get(part, {}).get("title")) for part in ("xaxis", "yaxis"))
        yield str(layout.get("title"))


def test_graphemes_are_called_symbols(store: RunStore, open_page: Open) -> None:
    run = trained(store, "emoji")
    app = open_page("generate", run=run.id)
    assert "One symbol at a time" in texts(app)
    first = corpus("emoji").words[0]
    field(app, "text_input", "Word to score").set_value(first).run()
    assert "".join(app.dataframe[1].value["symbol"].tolist()[:-1]) == first
    assert len(app.dataframe[1].value) < len(first)


@pytest.mark.parametrize(
    ("text", "tokens", "fitted"),
    [
        ("Each character of a word, letter by letter", WORDS, "Each word of a sentence, word by word"),
        ("Characters of words", GRAPHEMES, "Symbols of words"),
        ("Characters of words", "characters", "Characters of words"),
        ("a password, a keyword", WORDS, "a password, a keyword"),
    ],
)
def test_nouns_are_replaced_at_once_and_whole(text: str, tokens: str, fitted: str) -> None:
    assert nouns.fit(text, tokens) == fitted


def test_a_sentence_that_names_symbols_keeps_them() -> None:
    vocab = Vocab.of(corpus("story"))
    assert "letter" in vocab.symbols
    assert nouns.fit_around("The highest is letter.", vocab) == "The highest is letter."


@pytest.mark.parametrize("name", READINGS)
def test_a_transformer_is_looked_at_from_within(store: RunStore, open_page: Open, name: str) -> None:
    run = trained(store, name, "transformer")
    app = open_page("under_the_hood", run=run.id)
    assert not app.exception and not app.error
