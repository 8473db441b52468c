"""The doctor on Train: findings with numbers, and buttons that start the mended run."""

from __future__ import annotations

import pytest

from mmcore import (
    BUNDLED_NAMES,
    PRESETS,
    ModelConfig,
    Run,
    RunState,
    RunStore,
    TrainConfig,
    corpus_from_words,
    read_words,
)
from mmcore.architectures import model_config
from mmcore.jobs import run_inline
from tests.app.conftest import Open, texts
from tests.app.elements import field
from ui.run.results import checked


def ended(store: RunStore, like: Run, model: ModelConfig, train: TrainConfig) -> Run:
    return run_inline(store, store.create(like.config.replace(model=model, train=train)).id)


def mends(open_page: Open, run: Run) -> list[str]:
    app = open_page("train", run=run.id)
    assert not app.exception
    return [str(button.key) for button in app.button if str(button.key).startswith("mend_")]


def test_a_quick_run_gets_a_clean_bill(finished: Run, store: RunStore, open_page: Open) -> None:
    run = ended(store, finished, PRESETS["quick"].model, PRESETS["quick"].train.replace(max_steps=1_500))
    assert mends(open_page, run) == []
    assert "No fault was found" in texts(open_page("train", run=run.id))


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (model_config(), {"dead units", "saturation"}),
        (model_config(activation="relu"), {"dead units"}),
        (model_config(normalisation="batch"), set()),
        (model_config(architecture="gru"), set()),
    ],
)
def test_a_clean_bill_names_what_was_looked_at(finished: Run, model: ModelConfig, named: set[str]) -> None:
    said = checked(finished.config.replace(model=model))
    assert {part for part in ("dead units", "saturation") if part in said} == named
    assert "updates beside the weights, overfitting, and whether the test split was opened" in said


def test_a_lecture_start_is_found_and_mended(finished: Run, store: RunStore, open_page: Open) -> None:
    run = ended(store, finished, model_config(init="lecture"), TrainConfig(max_steps=20))
    app = open_page("train", run=run.id)
    said = texts(app).replace("\\", "")
    assert "The start is confidently wrong" in said and "ln 27 = 3.2958" in said
    app.button(key="mend_first_loss").click().run()
    latest = store.latest()
    assert latest is not None and latest.id == run.id, "it fills the form and starts nothing"
    assert field(app, "selectbox", "Initialisation").value == "scaled"
    assert "Other than the run shown: initialisation Lecture, all N(0, 1) → Scaled." in texts(app).replace("\\", "")
    app.button(key="train").click().run()
    latest = store.latest()
    assert latest is not None and latest.state is RunState.QUEUED
    assert latest.config == run.config.replace(model=run.config.model.replace(init="scaled"))
    assert app.query_params["run"] in (latest.id, [latest.id])


def test_a14_a_remedy_that_was_tried_is_not_offered_again(finished: Run, store: RunStore, open_page: Open) -> None:
    run = ended(store, finished, model_config(init="lecture"), TrainConfig(max_steps=20))
    tried = store.create(run.config.replace(model=run.config.model.replace(init="scaled")))
    said = texts(open_page("train", run=run.id)).replace("\\", "")
    assert "Train with the scaled initialisation: that run is queued." in said
    run_inline(store, tried.id)
    assert "mend_first_loss" not in mends(open_page, run)
    before, after = (store.run(one.id).losses["val_loss"] for one in (run, tried))
    said = texts(open_page("train", run=run.id)).replace("\\", "")
    assert f"Train with the scaled initialisation: tried. Validation loss {before:.4f} → {after:.4f}." in said


def test_a_diverged_run_is_found_though_it_failed(finished: Run, store: RunStore, open_page: Open) -> None:
    train = TrainConfig(optimizer="sgd", schedule="constant", learning_rate=30.0, weight_decay=0.1, max_steps=2_000)
    run = ended(store, finished, model_config(), train)
    assert run.state is RunState.FAILED
    app = open_page("train", run=run.id)
    assert "The run diverged" in texts(app)
    app.button(key="mend_divergence").click().run()
    assert field(app, "number_input", "Learning rate").value == pytest.approx(0.1), "B5: not 3, then 0.3"


def test_a_run_that_ends_above_a_uniform_guess_says_so_and_how_to_mend_it(
    finished: Run, store: RunStore, open_page: Open
) -> None:
    hot = TrainConfig(optimizer="sgd", schedule="constant", learning_rate=1e3, max_steps=30)
    run = ended(store, finished, model_config(), hot)
    assert run.state is RunState.FINISHED, "its loss is huge, and a number"
    sentence = f"The train loss ended at {run.losses['train_loss']:,.4f}, above ln 27 = 3.2958"
    for page in ("home", "runs", "train"):
        app = open_page(page, run=run.id)
        assert sentence in texts(app).replace("\\", "") and "Learned nothing" in texts(app)
        if page == "runs":
            assert app.dataframe[0].value["State"].tolist() == ["Finished, learned nothing", "Finished"]
        if page == "train":
            app.button(key="mend_divergence").click().run()
            app.button(key="train").click().run()
            assert "learned nothing" not in texts(app).lower(), "the mended run waits"
    latest = store.latest()
    assert latest is not None and latest.config.train.learning_rate == pytest.approx(0.1)
    assert "learned nothing" not in texts(open_page("train", run=finished.id)).lower()


def test_doctor_and_summary_agree_about_overfitting(finished: Run, store: RunStore, open_page: Open) -> None:
    """A14: not "memorised" beside "nothing at the expense of"; both look at one turning point."""
    sha256 = store.add_corpus(corpus_from_words(read_words(BUNDLED_NAMES).words[:400], "few"))
    for steps in (40, 1_500):
        config = finished.config.replace(corpus_sha256=sha256, model=model_config(), train=TrainConfig(max_steps=steps))
        run = run_inline(store, store.create(config).id)
        said = texts(open_page("train", run=run.id)).replace("\\", "")
        assert ("The run overfits" in said) == ("it rose to" in said) == (steps == 1_500)


def test_a_running_run_is_left_alone(finished: Run, store: RunStore, open_page: Open) -> None:
    assert mends(open_page, store.create(finished.config)) == []


def test_a_run_stopped_before_its_first_update_is_not_called_healthy(
    finished: Run, store: RunStore, open_page: Open
) -> None:
    run = store.create(finished.config)
    store.request_stop(run.id)
    said = texts(open_page("train", run=run.id))
    assert "Not one update was made" in said and "No fault" not in said


def test_runs_has_a_doctor_too(finished: Run, store: RunStore, open_page: Open) -> None:
    run = ended(store, finished, model_config(init="lecture"), TrainConfig(max_steps=20))
    app = open_page("runs", run=run.id)
    assert not [button for button in app.button if str(button.key).startswith("mend_")]
    app.session_state["doctor"] = True
    app.run()
    app.button(key="mend_first_loss").click().run()
    assert not app.exception
    assert field(app, "selectbox", "Initialisation").value == "scaled", "on Train, where the form is"


def test_only_runs_made_after_the_test_split_was_opened_count_against_it(
    finished: Run, store: RunStore, open_page: Open
) -> None:
    """A2: to train several runs, choose one by validation, and open the test split once is the right protocol."""
    others = [store.create(finished.config) for _ in range(2)]
    store.open_test(finished.id)
    assert "mend_test_opened" not in mends(open_page, finished)
    store.create(finished.config.replace(split=finished.config.split.replace(split_seed=7)))
    assert "mend_test_opened" not in mends(open_page, finished), "another split is another test"
    store.create(others[0].config)
    assert "mend_test_opened" in mends(open_page, finished)
    said = texts(open_page("train", run=finished.id))
    assert "opened once, and 1 run on the same split begun or continued after that" in said


def test_a_run_that_goes_on_after_its_test_split_was_opened_counts_against_it(
    finished: Run, store: RunStore, open_page: Open
) -> None:
    """A2."""
    token = "0" * 32
    run = store.create(finished.config, token=token)
    store.finish(run.id, token, RunState.STOPPED)
    store.open_test(run.id)
    assert "mend_test_opened" not in mends(open_page, run)
    store.continue_run(run.id)
    assert store.claim(run.id, token)
    store.finish(run.id, token, RunState.STOPPED)
    assert "mend_test_opened" in mends(open_page, run)
