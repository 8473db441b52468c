"""Links: what *Copy link* gives opens the same on a server that has the run, and fills the form on one that has not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mmcore import Run, RunConfig, RunStore, SplitConfig, TrainConfig, corpus_from_words
from mmcore.config import Origin
from mmcore.gallery import gallery_corpus
from tests.app.conftest import PAGES, Open, forget_server, texts
from tests.app.elements import link
from tests.models import SMALL
from ui.form import address, settings

WORDS = ["anna", "bea", "cleo", "dora", "eve", "fay", "gina", "hedda", "ida", "june", "kim", "lea"]
CORPUS = corpus_from_words(WORDS, "short *names*")
ODD = TrainConfig(
    max_steps=77, learning_rate=0.012345678901, batch_size=5, sampler="examples", optimizer="sgd", seed=2**63 - 1
)


def run_on(store: RunStore, **settings: Any) -> Run:
    run = store.create(RunConfig(corpus_sha256=store.add_corpus(CORPUS), **settings))
    store.request_stop(run.id)
    return store.run(run.id)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: RunStore) -> Any:
    """Makes the app that of another server, with a store of its own, which it returns."""

    def moved() -> RunStore:
        url = f"sqlite:///{tmp_path / 'elsewhere.sqlite'}"
        monkeypatch.setenv("MMCORE_STORE", url)
        forget_server()
        return RunStore(url)

    return moved


def form_of(app: AppTest, run: Run) -> RunConfig:
    """What the form would train, on the corpus of a run."""
    names = settings.values_of(run.config.model, run.config.train, run.config.split)
    values = {name: app.session_state[f"form_{name}"] for name in names}
    return settings.read_config(values, run.config.corpus_sha256)


@pytest.mark.parametrize("name", SMALL)
def test_every_setting_goes_through_an_address(name: str) -> None:
    train = ODD.replace(sampler=SMALL[name].samplers[-1])
    split = SplitConfig(train_fraction=1 / 3, val_fraction=0.1, split_seed=9, deduplicate=True)
    for divided in (split, SplitConfig(fixed=(8, 2, 2))):
        config = RunConfig(corpus_sha256="ab" * 32, model=SMALL[name], train=train, split=divided)
        query = address.query_of(config)
        linked = address.read(query)
        assert linked.wrong == [] and settings.read_config(linked.values, "ab" * 32) == config
        assert address.in_address(query | {"run": "3f", "lesson": "2"}) == query


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"architecture": "perceptron"}, "architecture must be one of bigram, mlp"),
        ({"context_size": "0"}, "context_size must be a whole number from 1 to 64, got 0. Using 3."),
        ({"context_size": "9" * 5000}, "context_size must be a whole number from 1 to 64, got '999"),
        ({"learning_rate": "nan"}, "learning_rate must be a number above 0 and at most 1000, got nan. Using 0.02."),
        ({"hidden_sizes": "a lot"}, "hidden_sizes must be whole numbers with commas between, got 'a lot'. Using 200."),
        ({"deduplicate": "maybe"}, "deduplicate must be true or false, got 'maybe'. Using False."),
        ({"fixed": "1,2"}, "fixed must be three numbers of words, or nothing, got (1, 2). Using Quick."),
        ({"sampler": "words"}, "sampler must be one of examples, contexts for MLP, got 'words'. Using Quick."),
        ({"train_fraction": "0.9", "val_fraction": "0.2"}, "train_fraction + val_fraction must be below 1, so that"),
    ],
)
def test_nonsense_gives_the_default_and_a_sentence(query: dict[str, str], said: str) -> None:
    linked = address.read({"architecture": "mlp", **query})
    (sentence,) = linked.wrong
    assert sentence.startswith(f"In the address, {said}") and len(sentence) < 400
    assert settings.read_config(linked.values, "0" * 64)


def test_a_link_opens_the_same_where_the_run_is(store: RunStore, open_page: Open) -> None:
    run = run_on(store, train=ODD)
    given = link(open_page("train", run=run.id))
    assert (given["run"], given["corpus"], given["corpus_items"]) == (run.id, CORPUS.sha256, "12")
    again = open_page("train", **given)
    assert not again.warning and not again.info
    assert f"Corpus: {CORPUS.name}, 12 words" in texts(again) and form_of(again, run) == run.config
    assert set(again.query_params) == {"run"}, "the run says it all"


@pytest.mark.parametrize("name", ["train", "runs", "generate", "under_the_hood"])
def test_a_link_fills_the_form_of_another_server(store: RunStore, open_page: Open, elsewhere: Any, name: str) -> None:
    run = run_on(store, model=SMALL["gru"], train=ODD.replace(sampler="words"))
    given = link(open_page(name, run=run.id))
    elsewhere().add_corpus(CORPUS)
    app = open_page(name, **given)
    assert "This server does not have the run of this link" in app.info[0].value and not app.warning
    if name != "train":
        (offered,) = [found for found in app.get("page_link") if found.proto.label == "Train it here"]
        app = open_page("train", **dict(part.split("=") for part in offered.proto.query_string.split("&")))
    assert f"Corpus: {CORPUS.name}, 12 words" in texts(app) and form_of(app, run) == run.config
    app.button(key="train").click().run()
    assert not app.exception
    there = elsewhere().latest()
    assert there is not None and there.config == run.config


def test_a_link_whose_corpus_is_missing_says_what_to_add(store: RunStore, open_page: Open, elsewhere: Any) -> None:
    run = run_on(store, train=ODD)
    given = link(open_page("train", run=run.id))
    elsewhere()
    app = open_page("train", **given)
    (said,) = [warning.value for warning in app.warning]
    assert all(part in said for part in ("short \\*names\\*", CORPUS.sha256[:10], "12 items", "Data"))
    assert form_of(app, run) == run.config and "corpus" not in app.query_params


def test_a_corpus_that_comes_with_the_app_needs_no_adding(store: RunStore, open_page: Open) -> None:
    greek = gallery_corpus("greek")
    app = open_page("data", corpus=greek.sha256)
    assert not app.warning and app.session_state["corpus_sha256"] == greek.sha256
    assert greek.sha256 in set(store.corpora().sha256)


def test_a_link_of_a_branch_says_what_it_cannot_carry(store: RunStore, open_page: Open, elsewhere: Any) -> None:
    origin = Origin(run_id="3f", step=3, weights_sha256="ab" * 32)
    query = address.query_of(run_on(store).config) | {address.ORIGIN: origin.run_id, "run": "unknown"}
    elsewhere()
    assert "It began with weights of another run" in open_page("train", **query).info[0].value


def test_what_is_typed_is_in_the_address_until_it_is_the_runs_again(finished: Run, open_page: Open) -> None:
    app = open_page("train", run=finished.id)
    assert "max_steps" not in app.query_params
    app.number_input(key="form_max_steps").set_value(41).run()
    assert app.query_params["max_steps"] in ("41", ["41"]) and link(app)["max_steps"] == "41"
    again = open_page("train", **app.query_params)
    assert again.session_state["form_max_steps"] == 41
    app.number_input(key="form_max_steps").set_value(30).run()
    assert "max_steps" not in app.query_params and app.session_state["form_max_steps"] == 30


@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_a_link(finished: Run, open_page: Open, name: str) -> None:
    given = link(open_page(name))
    expected = {"train", "runs", "splits", "generate", "under_the_hood", "embeddings", "neurons"}
    assert (given.get("run") == finished.id) == (name in expected)
    assert ("corpus" in given) == (name in expected | {"data", "playground"})
