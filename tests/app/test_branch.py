"""Branching a run on Train, what is shown of where it comes from, and what is said of a run that was stopped."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mmcore import Run, RunState, RunStore, Step
from mmcore.diagnosis import first_loss
from mmcore.jobs import run_inline
from mmcore.store import Progress, SavedWeights
from tests.app.conftest import Open, texts
from tests.app.elements import HELP
from ui import session
from ui.embeddings import two_runs
from ui.run import progress
from ui.train import branch


def opened(open_page: Open, run: Run) -> AppTest:
    """Train with the branch's form."""
    app = open_page("train", run=run.id)
    app.session_state["branch"] = True
    return app.run()


def field(app: AppTest, run: Run, name: str) -> Any:
    return app.get_by_key(f"branch_{run.id}_{name}")


def links(app: AppTest) -> list[str]:
    """The page links of a page, each with the run that it leads to."""
    found = [element.proto for element in app.get("page_link") if "run=" in element.proto.query_string]
    return [f"{link.label} {link.query_string.removeprefix('run=')}" for link in found]


def branched(store: RunStore, parent: Run, step: int = 10) -> Run:
    train = parent.config.train.replace(max_steps=5, learning_rate=0.005)
    return run_inline(store, store.branch(parent.id, step, train).id)


def test_a_branch_is_trained_from_the_checkpoint_and_with_the_settings_chosen(
    finished: Run, store: RunStore, open_page: Open
) -> None:
    app = opened(open_page, finished)
    assert "No setting is changed." in texts(app)
    for name in branch.free_settings(finished.config.model):
        assert field(app, finished, name).proto.help == HELP[name]
    app.select_slider(key=f"branch_step_{finished.id}").set_value(10)
    field(app, finished, "max_steps").set_value(1_500)
    field(app, finished, "dropout").set_value(0.1)
    field(app, finished, "learning_rate").set_value(0.005).run()
    assert "Changed: steps 30 → 1,500, learning rate 0.02 → 0.005, dropout 0 → 0.1." in texts(app)
    app.button(key="branch_train").click().run()
    assert not app.exception
    run = store.latest()
    assert run is not None and app.query_params["run"] == run.id
    config = finished.config
    train = config.train.replace(max_steps=1_500, learning_rate=0.005)
    wanted = config.replace(train=train, model=config.model.replace(dropout=0.1), origin=store.origin(finished.id, 10))
    assert (run.config, run.state) == (wanted, RunState.QUEUED) and run.owner
    assert [link.split()[-1] for link in links(app)] == [finished.id]
    assert "step 10 →" in texts(app)


def test_what_is_no_setting_is_refused_in_a_sentence(finished: Run, store: RunStore, open_page: Open) -> None:
    app = opened(open_page, finished)
    field(app, finished, "learning_rate").set_value(0.0).run()
    assert "learning_rate must be a number above 0" in app.error[0].value.replace("\\", "")
    assert "branch_train" not in [button.key for button in app.button]


def test_the_loss_at_a_checkpoint_is_the_curves(finished: Run, store: RunStore) -> None:
    history = store.history(finished.id)
    known = history.dropna(subset=["val_loss"])
    first, last = known.iloc[0], known.iloc[-1]
    assert branch.loss_there(known, 30) == f"Step 30: validation loss {last['val_loss']:.4f}."
    told = branch.loss_there(known.iloc[[0, -1]], 7)
    assert told == f"Step 7; measured next to it, at step 0: validation loss {first['val_loss']:.4f}."
    assert branch.loss_there(known.iloc[:0], 7) == "Step 7; its validation loss was not measured."


@pytest.mark.parametrize("page", ["train", "runs"])
def test_ancestry_is_shown_both_ways_and_a_deleted_run_is_said_to_be(
    page: str, finished: Run, store: RunStore, open_page: Open
) -> None:
    child = branched(store, finished)
    grandchild = branched(store, child, 5)
    app = open_page(page, run=child.id)
    assert [link.split()[-1] for link in links(app)] == [finished.id, grandchild.id]
    assert "step 10 →" in texts(app) and "Branches:" in texts(app)
    store.delete(finished.id)
    app = open_page(page, run=grandchild.id)
    assert [link.split()[-1] for link in links(app)] == [child.id]
    assert f"a run that was deleted ({finished.id})," in texts(app) and "step 5 →" in texts(app)


def test_many_branches_are_counted(finished: Run, store: RunStore, open_page: Open) -> None:
    for _ in range(7):
        store.branch(finished.id, 30)
    app = open_page("train", run=finished.id)
    assert len(links(app)) == 5 and "and 2 more." in texts(app)


def test_pages_say_that_a_branch_did_not_begin_untrained(finished: Run, store: RunStore, open_page: Open) -> None:
    child = branched(store, finished)
    begun = store.history(child.id).train_loss[0]
    said = texts(open_page("train", run=child.id))
    assert "It began with the weights that another run had at step 10." in said and "untrained" not in said
    assert f"**Before the first update the loss is {begun:.4f}".replace(".", "\\.") in said
    assert "Step 0 (its first weights)" in said
    start = first_loss(child.config, session.run_dataset(child), store.start(child.id))
    assert f"softmax gives the likeliest character {100 * start.favourite:.1f} %" in said.replace("\\", "")
    app = open_page("under_the_hood", run=child.id)
    app.session_state["hood_view"] = "First loss"
    said = texts(app.run())
    assert "the model it began with gives the right answer" in said and f"First loss {begun:.4f}" in said


def test_a_branch_does_not_start_from_ignorance(finished: Run, store: RunStore, open_page: Open) -> None:
    store.branch(finished.id, 0)
    child = run_inline(store, store.runs()[0].id)
    store.delete(finished.id)
    assert child.config.origin and math.isfinite(store.first_losses([child.id])[child.id])
    assert "No two runs show it yet." in texts(open_page("lessons")).replace("\\", "")


def test_two_maps_that_go_back_to_the_same_weights_are_said_to(finished: Run, store: RunStore, open_page: Open) -> None:
    child, sibling = branched(store, finished), branched(store, finished)
    other = store.create(finished.config)
    pairs = [(child, finished), (finished, child), (child, sibling), (child, other), (finished, other)]
    assert [two_runs.related(*pair) for pair in pairs] == [True, True, True, False, False]
    said = texts(open_page("embeddings", run=child.id, compared="1")).replace("\\", "")
    assert "They go back to the same weights, so that they agree says little." in said
    assert "They differ in" in said or "Their settings are the same." in said


# ---- stopped


def stopped(store: RunStore, finished: Run, *, saved: int | None, step: int) -> Run:
    """A run that was stopped, and saved some steps before."""
    run = store.create(finished.config.replace(train=finished.config.train.replace(max_steps=5_000)), token="mine")
    if saved is not None:
        point = Step(step=saved, learning_rate=0.1, seconds=1.0, batch_loss=2.0)
        weights = SavedWeights(weights=store.weights(finished.id) or b"", losses={"val_loss": 2.0})
        store.record(run.id, "mine", Progress(points=[point], saved=weights))
        store.record(run.id, "mine", Progress(points=[replace(point, step=step)]))
    store.finish(run.id, "mine", RunState.STOPPED)
    return store.run(run.id)


@pytest.mark.parametrize("page", ["train", "runs"])
def test_a_stopped_run_says_where_it_goes_on(page: str, finished: Run, store: RunStore, open_page: Open) -> None:
    run = stopped(store, finished, saved=1_234, step=1_234)
    app = open_page(page, run=run.id)
    assert "Stopped at step 1,234; Continue goes on as if it had not stopped." in texts(app)
    help = app.button(key="continue").help
    assert help == "Goes on from step 1,234, as if it had not stopped: to the same weights, bit for bit."
    older, none = stopped(store, finished, saved=1_000, step=1_234), stopped(store, finished, saved=None, step=0)
    assert progress.stopped(older) == (
        "Stopped at step 1,234; Continue goes on, from step 1,000, which was saved last, as if it had not stopped."
    )
    assert progress.stopped(none) == "Stopped before anything was saved; Continue begins with step 0."


def test_early_stopping_says_why_it_is_not_trained_longer(finished: Run, store: RunStore, open_page: Open) -> None:
    train = finished.config.train.replace(patience=2, check_every=5)
    run = run_inline(store, store.create(finished.config.replace(train=train)).id)
    longer = open_page("train", run=run.id).button(key="longer")
    assert longer.disabled and "A branch can go on from them." in longer.help
