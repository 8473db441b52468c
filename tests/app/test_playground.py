"""Playground: every control retrains, the numbers are the model's, nothing is stored until it is kept."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import CancelledError, Future
from typing import Any

import pandas as pd
import pytest
from streamlit.runtime.scriptrunner import StopException
from streamlit.testing.v1 import AppTest

from mmcore import ARCHITECTURES, PRESETS, RunConfig, RunState, RunStore, TrainConfig, load, play
from mmcore.architectures import model_config
from mmcore.dataset import build_dataset
from mmcore.playground import BudgetTooSmall, Play
from mmcore.presets import preset_for
from tests.app.conftest import Open, texts
from ui import session
from ui.playground import models, sliders
from ui.run.curves import shown_word

SMALL = {"context_size": "2", "embedding_dim": "3", "hidden_size": "20", "steps": "30"}


def shown(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_the_address_decides_the_model_and_the_numbers_are_its_own(store: RunStore, open_page: Open) -> None:
    app = open_page("playground", **SMALL, learning_rate="0.05", weight_decay="0.1", seed="4")
    sha256 = str(store.corpora()["sha256"][0])
    train = TrainConfig(max_steps=30, learning_rate=0.05, weight_decay=0.1, seed=4)
    model = model_config(context_size=2, embedding_dim=3, hidden_sizes=(20,))
    config = RunConfig(corpus_sha256=sha256, model=model, train=train)
    expected = play(config, build_dataset(store.corpus(sha256), config.split, 2))
    assert shown(app)["Validation loss"] == f"{expected.losses['val_loss']:.4f}"
    assert shown(app)["Parameters"] == f"{expected.parameters:,}"
    assert all(shown_word(word) in texts(app) for word in expected.samples)
    assert not app.exception
    assert store.runs() == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("context_size", 1), ("embedding_dim", 5), ("hidden_size", 50), ("learning_rate", 0.1), ("weight_decay", 1.0)],
)
def test_every_slider_trains_again_and_says_what_changed(open_page: Open, key: str, value: float) -> None:
    app = open_page("playground", **SMALL)
    before = float(shown(app)["Validation loss"])
    app.select_slider(key=f"play_{key}").set_value(value).run()
    after = float(shown(app)["Validation loss"])
    assert after != before
    delta = next(metric.delta for metric in app.metric if metric.label == "Validation loss")
    assert float(delta) == pytest.approx(after - before, abs=2e-4)
    assert f"{key.replace('_', ' ')} " in texts(app)
    assert app.query_params[key] == f"{value:g}"


def test_seed_and_steps_train_again(open_page: Open) -> None:
    app = open_page("playground", **SMALL)
    first = shown(app)
    app.number_input(key="play_seed").set_value(2).run()
    assert shown(app)["Train loss"] != first["Train loss"]
    app.number_input(key="play_steps").set_value(50).run()
    assert shown(app)["Steps"] == "50"


def test_a_time_budget_puts_its_steps_into_the_address(open_page: Open) -> None:
    app = open_page("playground", **SMALL)
    app.segmented_control(key="play_mode").set_value("Time budget").run()
    steps = shown(app)["Steps"].replace(",", "")
    assert app.query_params["steps"] == steps
    losses = shown(app)
    app.select_slider(key="play_budget").set_value(0.3).run()
    again = open_page("playground", **app.query_params)
    assert shown(again)["Validation loss"] == shown(app)["Validation loss"]
    assert losses["Parameters"] == shown(app)["Parameters"]


def test_a16_under_a_time_budget_compared_models_have_the_same_updates(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the speed of each: 60 updates fit for one, 100 for the other, 20,000 for the third."""
    fitting = {20: 60, 50: 100, 10: 20_000}
    monkeypatch.setattr(
        "mmcore.playground.steps_within", lambda budget, config, dataset: fitting[config.model.hidden_sizes[0]]
    )
    app = open_page("playground", **SMALL | {"steps": "0"})
    assert shown(app)["Steps"] == "60"
    app.select_slider(key="play_hidden_size").set_value(50).run()
    assert shown(app)["Steps"] == "60" == app.query_params["steps"]
    assert "both after 60 updates: hidden size 20 → 50. Trained in" in texts(app)
    assert all(metric.delta for metric in app.metric if "loss" in metric.label)
    monkeypatch.setitem(fitting, 50, 2_000)
    app.select_slider(key="play_budget").set_value(1.0).run()
    assert shown(app)["Steps"] == "2,000", "another budget finds the number anew"
    assert "Compared with the setting before: steps 60 → 2000." in texts(app), "nothing but the steps has changed"
    monkeypatch.setitem(fitting, 10, 80)
    app.select_slider(key="play_hidden_size").set_value(10).run()
    assert shown(app)["Steps"] == "80", "2,000 updates would take 25 times the budget"
    assert "Not compared with the setting before (hidden size 50 → 10, steps 2000 → 80)" in texts(app)
    assert not any(metric.delta for metric in app.metric if "loss" in metric.label)


def test_a_difference_that_no_figure_shows_gets_no_arrow(open_page: Open) -> None:
    app = open_page("playground", hidden_size=20, steps=60)
    app.checkbox(key="play_compiled").check().run()
    assert "both after 60 updates: compiled off → on." in texts(app)
    assert not [metric.delta for metric in app.metric if metric.delta], "the losses are the same"


def test_a_setting_seen_before_is_not_trained_again(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("playground", **SMALL)
    first = shown(app)["Validation loss"]
    app.number_input(key="play_seed").set_value(2).run()
    monkeypatch.setattr("mmcore.playground.request", None)  # whoever trains now fails
    app.number_input(key="play_seed").set_value(1).run()
    assert shown(app)["Validation loss"] == first
    assert not app.error
    assert len(app.session_state["plays"]) == 2


def test_the_strip_remembers_a_dozen(open_page: Open) -> None:
    app = open_page("playground", **SMALL | {"steps": "2"})
    for seed in range(2, 16):
        app.number_input(key="play_seed").set_value(seed).run()
    assert [p.config.train.seed for p in app.session_state["plays"]] == list(range(4, 16))


def test_nonsense_in_the_address_gets_a_sentence_and_the_usual_value(open_page: Open) -> None:
    app = open_page("playground", **SMALL | {"hidden_size": "many"})
    assert "hidden_size" in app.warning[0].value.replace("\\", "")
    assert app.select_slider(key="play_hidden_size").value == sliders.start_values("mlp")["hidden_size"] == 200
    values, wrong = sliders.read_address({"seed": "-1", "learning_rate": "1e99"})
    assert (values["seed"], values["learning_rate"]) == (1, 0.03)
    assert wrong == (
        "learning_rate in the address must be one of 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, "
        "0.5, 1, got '1e99'. Using 0.03."
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_has_its_own_sliders_and_comes_back_from_its_address(
    open_page: Open, store: RunStore, architecture: str
) -> None:
    app = open_page("playground", steps="3", seed="4")
    app.get_by_key("play_architecture").select(architecture).run()
    assert not app.exception and not app.error
    fields = {field.name for field in dataclasses.fields(ARCHITECTURES[architecture])} - {"architecture"}
    offered = sliders.every_slider() - sliders.train_sliders().keys()
    drawn = {name for name in offered if f"play_{name}" in {e.key for e in app if getattr(e, "key", None)}}
    assert drawn == {"hidden_size" if name == "hidden_sizes" else name for name in fields}
    kept = app.session_state["play"]
    assert kept.config.model.architecture == architecture
    assert (kept.config.train.seed, kept.step) == (4, 3), "seed and steps stay"
    start, train = sliders.start_values(architecture), sliders.start_train(architecture)
    assert kept.config.model == sliders.read_model(start)
    assert kept.config.train.batch_size == train.batch_size <= (128 if train.sampler == "words" else 256)
    assert len(app.get("plotly_chart")) == 2, "a picture of what was learned, and the strip"
    corpus = store.corpus(kept.config.corpus_sha256)
    dataset = build_dataset(corpus, kept.config.split, kept.config.model.context_size)
    assert kept.losses == play(kept.config, dataset).losses
    again = open_page("playground", **app.query_params)
    assert again.session_state["play"].config == kept.config
    assert shown(again)["Validation loss"] == shown(app)["Validation loss"]
    assert architecture == "mlp" or len(app.session_state["plays"]) == 2, "the MLP before is remembered beside it"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_sliders_hold_every_setting_of_a_config(architecture: str) -> None:
    start = sliders.start_values(architecture)
    assert not start.get("dropout") and not start.get("state_dropout"), "half a second is too short to need them"
    for name in ("architecture", *sliders.model_sliders(architecture)):
        assert start[name] in (sliders.options(name, architecture) if name != "architecture" else ARCHITECTURES)
    for name in sliders.model_sliders(architecture):
        for value in sliders.options(name, architecture):
            model = sliders.read_model(start | {name: value})
            train = PRESETS[preset_for(architecture)].train.replace(learning_rate=0.03, weight_decay=0.0)
            values = sliders.values_of(RunConfig(corpus_sha256="0" * 64, model=model, train=train))
            assert values[name] == value
            assert sliders.read_model(values) == model
            assert sliders.read_address({n: sliders.written(v) for n, v in values.items()})[0] == values


def test_an_address_without_an_architecture_still_means_the_same_mlp() -> None:
    values, wrong = sliders.read_address({"context_size": "2", "steps": "30"})
    assert wrong is None
    assert sliders.read_model(values) == model_config(context_size=2, embedding_dim=10, hidden_sizes=(200,))
    assert sliders.read_address({})[0]["steps"] == sliders.STEPS, "a number, so that losses compare"
    assert {name: values[name] for name in ("learning_rate", "weight_decay", "seed", "steps", "sampler")} == {
        "learning_rate": 0.03,
        "weight_decay": 0.0,
        "seed": 1,
        "steps": 30,
        "sampler": "contexts",
    }
    assert "architecture in the address must be one of bigram" in str(
        sliders.read_address({"architecture": "abacus"})[1]
    )


def test_a_budget_that_allows_no_training_is_said_with_its_numbers_and_two_ways_out(
    open_page: Open, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_small(*_: object) -> None:
        raise BudgetTooSmall("Transformer", 0.5, 0.02, 0.9)

    monkeypatch.setattr("mmcore.playground.request", too_small)
    app = open_page("playground", architecture="transformer", steps="0")
    assert "budget must be at least 1.1 seconds for this Transformer, got 0.5" in app.error[0].value.replace("\\", "")
    labels = [button.label for button in app.button]
    assert labels == ["Allow 2 s", "Train it as a run"]
    app.button[0].click().run()
    assert app.select_slider(key="play_budget").value == 2.0
    next(button for button in app.button if button.label == "Train it as a run").click().run()
    run = store.latest()
    assert run is not None and run.config.model.architecture == "transformer"
    assert run.config.train.max_steps == PRESETS["transformer"].train.max_steps


def test_where_a_model_is_refused_the_one_before_is_named(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("playground", architecture="bigram", steps="5")
    assert "Below is still the model before" not in texts(app)

    def too_small(*_: object) -> None:
        raise BudgetTooSmall("Transformer", 0.5, 0.02, 0.9)

    monkeypatch.setattr("mmcore.playground.request", too_small)
    app.selectbox(key="play_architecture").set_value("transformer").run()
    assert app.error and "Below is still the model before: Bigram, AdamW" in texts(app).replace("\\", "")


def test_a_model_that_had_no_time_to_learn_says_so() -> None:
    train = TrainConfig(max_steps=12, sampler="words")
    config = RunConfig(corpus_sha256="0" * 64, model=model_config(architecture="gru"), train=train)
    found = played(config, 2.75)
    sentence = models.too_little(found, sliders.Asked(config, 0.5), 2.4546)
    assert sentence is not None and "12 updates from a budget of 0.5 s end at 2.7500" in sentence
    assert "2.4546" in sentence
    assert models.too_little(played(config, 2.40), sliders.Asked(config, 0.5), 2.4546) is None
    assert models.too_little(found, sliders.Asked(config, None), 2.4546) is None, "steps chosen by hand are no surprise"
    bigram = config.replace(model=model_config(architecture="bigram"), train=TrainConfig())
    assert models.too_little(played(bigram, 2.47), sliders.Asked(bigram, 0.5), 2.4546) is None, "it cannot do better"


def played(config: RunConfig, val_loss: float) -> Play:
    """A result with nothing in it but what is compared."""
    return Play(
        config=config,
        curve=pd.DataFrame(),
        losses={"val_loss": val_loss},
        samples=[],
        weights=b"",
        parameters=1,
        step=config.train.max_steps,
        seconds=0.5,
    )


def test_divergence_says_why_and_keeps_the_model_before(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmcore import TrainingDiverged

    def diverge(*_: object) -> None:
        raise TrainingDiverged(3, 1.0, 0.1)

    app = open_page("playground", **SMALL)
    before = shown(app)
    monkeypatch.setattr("mmcore.playground.request", diverge)
    app.select_slider(key="play_learning_rate").set_value(1.0).run()
    assert "no longer a finite number at step 3" in app.error[0].value.replace("\\", "")
    assert shown(app)["Validation loss"] == before["Validation loss"]


def test_keeping_stores_the_run_and_opens_it(store: RunStore, open_page: Open) -> None:
    app = open_page("playground", **SMALL)
    app.button(key="play_keep").click().run()
    run = store.latest()
    assert run is not None and run.state is RunState.FINISHED
    assert run.config.train.max_steps == 30
    assert f"{run.losses['val_loss']:.4f}" == shown(app)["Validation loss"]
    assert run.id in app.success[0].value.replace("\\", "")
    weights = store.weights(run.id)
    assert weights is not None and load(weights).config == run.config
    app.button(key="play_keep").click().run()  # the second click of a double click
    assert store.count() == 1 and run.id in app.success[0].value.replace("\\", "")


def test_every_control_has_help(open_page: Open) -> None:
    app = open_page("playground", **SMALL)
    kinds = (app.select_slider, app.number_input, app.selectbox, app.checkbox, app.get("button_group"), app.button)
    fields = [field for kind in kinds for field in kind]
    assert len(fields) >= 14
    assert [f.label for f in fields if not f.help] == []


class Endless:
    """Stands in for the worker: it is never done, and its visitor leaves after three looks, or somebody ends it."""

    def __init__(self, ended: bool) -> None:
        self.ended, self.looks, self.withdrawn = ended, 0, list[str]()

    def submit(self, visitor: str, *args: object) -> Future[Play]:
        self.future: Future[Play] = Future()
        return self.future

    def ahead(self, visitor: str) -> int:
        self.looks += 1
        if self.looks < 3:
            return 2
        if not self.ended:
            raise StopException  # as Streamlit ends a script of a session whose page was closed
        self.future.set_exception(CancelledError())
        return 0

    def withdraw(self, visitor: str) -> None:
        self.withdrawn.append(visitor)


def test_c4_a_visitor_who_leaves_takes_back_what_was_asked_for(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Endless(ended=False)
    monkeypatch.setattr("mmcore.jobs.Turns", lambda make: turns)
    app = open_page("playground", **SMALL)
    assert turns.withdrawn == [app.session_state["visitor"]]
    assert not app.exception


def test_c4_a_request_that_somebody_ended_is_said_rather_than_the_model_before_shown(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("playground", **SMALL)
    turns = Endless(ended=True)
    session.turns.clear()
    monkeypatch.setattr("mmcore.jobs.Turns", lambda make: turns)
    app.select_slider(key="play_hidden_size").set_value(50).run()
    assert "was withdrawn before it was trained" in app.error[0].value
    assert "Below is still the model before" in texts(app)
    assert turns.withdrawn == []


def test_c4_a_model_that_takes_too_long_is_refused_and_can_be_a_run(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmcore.playground.MOST_SECONDS", 0.1)
    app = open_page("playground", **SMALL | {"steps": "1000000"})
    assert "steps must be at most about" in app.error[0].value
    assert "Train it as a run" in [button.label for button in app.button]


def test_c5_a_model_that_needs_more_memory_than_there_is_is_not_asked_for(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmcore.cost.memory_limit", lambda: 10**8)
    app = open_page("playground", **SMALL)
    assert "memory must be at most 50 MB for a run on this machine" in app.error[0].value.replace("\\", "")
    assert shown(app) == {}


def test_a16_models_are_compared_at_the_same_steps_with_the_curve_before_behind(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmcore.playground.EARLY", 1e9)  # seconds: this is not about how much of a budget losses take
    app = open_page("playground", context_size="1", embedding_dim="2", hidden_size="20")
    assert shown(app)["Steps"] == "300" and app.segmented_control(key="play_mode").value == "Number"
    assert not any(trace["name"].startswith("Before") for trace in drawn(app)["traces"])
    first = {trace["uid"]: trace for trace in drawn(app)["traces"]}
    app.select_slider(key="play_hidden_size").set_value(50).run()
    assert shown(app)["Steps"] == "300"
    second = {trace["uid"]: trace for trace in drawn(app)["traces"]}
    ghost = second["before_val_loss"]
    assert (ghost["x"], ghost["y"]) == (first["val_loss"]["x"], first["val_loss"]["y"])
    assert ghost["opacity"] < 0.5 and {1, 2, 5, 10, 20, 50, 100, 200, 300} <= set(ghost["x"])
    assert {1, 2, 5, 10, 20, 50, 100, 200, 300} <= set(second["val_loss"]["x"]), "measured at the same steps"
    assert len(drawn(app)["rows"]) >= 9, "the table is of the model's own steps"


def drawn(app: AppTest) -> dict[str, Any]:
    """What the loss chart is given."""
    given = (json.loads(component.proto.json) for component in app.get("bidi_component"))
    return dict(next(data for data in given if "traces" in data))
