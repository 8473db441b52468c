"""Playground: every control retrains, the numbers are the model's, nothing is stored until it is kept."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from mmcore import ModelConfig, RunConfig, RunState, RunStore, TrainConfig, load, play
from mmcore.data import build_dataset
from tests.app.conftest import Open, texts
from ui import plays
from ui.curves import shown_word

SMALL = {"context_size": "2", "embedding_dim": "3", "hidden_size": "20", "steps": "30"}


def shown(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_the_address_decides_the_model_and_the_numbers_are_its_own(store: RunStore, open_page: Open) -> None:
    app = open_page("playground", **SMALL, learning_rate="0.05", weight_decay="0.1", seed="4")
    sha256 = str(store.corpora()["sha256"][0])
    train = TrainConfig(max_steps=30, learning_rate=0.05, weight_decay=0.1, seed=4)
    model = ModelConfig(context_size=2, embedding_dim=3, hidden_sizes=(20,))
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
    assert app.select_slider(key="play_hidden_size").value == plays.START["hidden_size"]
    values, wrong = plays.read_address({"seed": "-1", "learning_rate": "1e99"})
    assert (values["seed"], values["learning_rate"]) == (1, 0.03)
    assert wrong == (
        "learning_rate in the address must be one of 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, "
        "0.5, 1, got '1e99'. Using 0.03."
    )


def test_divergence_says_why_and_keeps_the_model_before(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmcore import TrainingDiverged

    def diverge(*_: object) -> None:
        raise TrainingDiverged(3, 1.0)

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


def test_every_control_has_help(open_page: Open) -> None:
    app = open_page("playground", **SMALL)
    fields = [*app.select_slider, *app.number_input, *app.get("button_group"), *app.button]
    assert len(fields) >= 8
    assert [f.label for f in fields if not f.help] == []
