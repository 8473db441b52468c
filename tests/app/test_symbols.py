"""Every page of a run whose symbols are graphemes or words, and what it calls them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mmcore import Run, RunConfig, RunStore, TrainConfig, Vocab
from mmcore.architectures import MLPConfig
from mmcore.corpus import Corpus
from mmcore.frontier import GOALS
from mmcore.jobs import run_inline
from mmcore.reading import LIMITS, Reading, read_corpus
from mmcore.symbols import CHARACTERS, GRAPHEMES, TOKENS, WORDS
from tests.app.conftest import PAGES, Open, texts
from tests.app.elements import field, metrics
from tests.app.said import said
from tests.models import SMALL
from ui.kit import nouns
from ui.lessons.lessons import LESSONS

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


ABOUT_NAMES = {
    "home": ("Learn how a neural network writes new names",),  # with the preset of Start, whatever was trained since
    "lessons": ("nats per character", *(lesson.question for lesson in LESSONS), *(goal.hint for goal in GOALS)),
}
ABOUT_TEXT = (LIMITS, *(said for setting in Reading.settings().values() for said in (setting.help, setting.title)))
"""What is said of reading a text: there, characters are characters; and one of the choices is what symbols are."""


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", READINGS)
def test_every_page_of_such_a_run_calls_symbols_what_they_are(
    store: RunStore, open_page: Open, name: str, page: str
) -> None:
    run = trained(store, name)
    app = open_page(page, run=run.id, corpus=run.config.corpus_sha256)
    for opened in ("counting", "anatomy", "audit"):
        app.session_state[opened] = True
    app.run()
    assert not app.exception and not app.error
    wrong = {text for text in said(app) if re.search(r"\b(characters?|letters?)\b", text, re.IGNORECASE)}
    rightly = (*ABOUT_NAMES.get(page, ()), *ABOUT_TEXT, TOKENS[CHARACTERS].title)
    wrong = {text for text in wrong if not any(known in text for known in rightly)}
    assert [text for text in wrong if not is_sample(text, run, store)] == []


def is_sample(text: str, run: Run, store: RunStore) -> bool:
    """Whether a text is made of the corpus's own words, of which "letter" is one."""
    vocab = Vocab.of(store.corpus(run.config.corpus_sha256))
    return all(word in vocab.stoi for word in re.findall(r"[\w’<>]+", text))


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
    at = vocab.stoi["letter"]
    said = nouns.fit_around(lambda shown: f"The likeliest character is {shown.symbols[at]}.", vocab)
    assert said == "The likeliest word is letter."


def test_sentences_about_runs_on_several_corpora_have_a_noun_that_fits_all() -> None:
    assert [nouns.shared(found) for found in ([WORDS, WORDS], [WORDS, CHARACTERS])] == [WORDS, nouns.SEVERAL]


def test_settings_speak_of_what_the_symbols_are() -> None:
    settings = nouns.fit_settings(MLPConfig.settings() | TrainConfig.settings(), WORDS)
    assert settings["context_size"].unit == "words" and "next one" in settings["context_size"].help
    assert settings["sampler"].said("words") == "Sentences"


@pytest.mark.parametrize("name", READINGS)
def test_a_transformer_is_looked_at_from_within(store: RunStore, open_page: Open, name: str) -> None:
    run = trained(store, name, "transformer")
    app = open_page("under_the_hood", run=run.id)
    assert not app.exception and not app.error
