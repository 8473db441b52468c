"""Every architecture on every page: the form's own fields, and pages that show what has a meaning."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mmcore import ARCHITECTURES, PRESETS, Run, RunConfig, RunStore, read_words
from mmcore.architectures import model_config
from mmcore.corpus import BUNDLED_NAMES
from mmcore.jobs import run_inline
from mmcore.presets import preset_for
from tests.app.conftest import Open, texts

MODEL_FIELDS = {field.name for family in ARCHITECTURES.values() for field in dataclasses.fields(family)}


def shown(app: AppTest) -> set[str]:
    """The model's fields that are on the page."""
    kinds = ("selectbox", "text_input", "number_input", "checkbox")
    keys = {element.key for kind in kinds for element in app.get(kind) if element.key}
    return {key.removeprefix("form_") for key in keys if key.startswith("form_")} & MODEL_FIELDS


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_form_shows_the_fields_of_the_chosen_architecture(
    open_page: Open, store: RunStore, architecture: str
) -> None:
    app = open_page("train")
    app.get_by_key("form_seed").set_value(7).run()
    app.get_by_key("form_architecture").select(architecture).run()
    assert not app.exception
    assert shown(app) == {field.name for field in dataclasses.fields(ARCHITECTURES[architecture])}
    samplers: Any = app.get_by_key("form_sampler")
    assert samplers.options == [name.capitalize() for name in ARCHITECTURES[architecture].samplers]
    for name in shown(app) - {"architecture"}:
        assert app.get_by_key(f"form_{name}").proto.help == ARCHITECTURES[architecture].settings()[name].help
    app.button(key="train").click().run()
    run, preset = store.latest(), PRESETS[preset_for(architecture)]
    assert run is not None and not app.exception
    assert (run.config.model, run.config.train) == (preset.model, preset.train.replace(seed=7))


def test_going_back_to_an_architecture_brings_its_fields_back(open_page: Open) -> None:
    app = open_page("train")
    for architecture in ("bigram", "transformer", "mlp"):
        app.get_by_key("form_architecture").select(architecture).run()
        assert not app.error and not app.exception
    assert app.get_by_key("form_hidden_sizes").value == "200"


def trained(store: RunStore, architecture: str) -> Run:
    model = model_config(architecture=architecture)
    train = PRESETS[preset_for(architecture)].train.replace(max_steps=3, batch_size=16)
    corpus = read_words(BUNDLED_NAMES)
    words = dataclasses.replace(corpus, name="few", words=corpus.words[:300])
    run = store.create(RunConfig(corpus_sha256=store.add_corpus(words), model=model, train=train))
    return run_inline(store, run.id)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_page_works_with_every_architecture(open_page: Open, store: RunStore, architecture: str) -> None:
    run = trained(store, architecture)
    for page in ("train", "splits", "embeddings", "generate", "runs"):
        app = open_page(page, run=run.id)
        assert not app.exception, page
        assert not app.error, page
        if page == "embeddings":
            has_table = "C" in run.config.model.shapes(27)
            assert ("has no embedding table" in texts(app)) != has_table
            assert bool(app.get("plotly_chart")) == has_table
    app = open_page("train", run=run.id)
    assert ARCHITECTURES[architecture].title in texts(app)
    app.session_state["code"] = True
    app.button(key="take_home").click().run()
    assert "safetensors" in app.code[0].value
