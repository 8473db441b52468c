"""The page Runs: the list, and what can be done with one run."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from mmcore import Run, RunState, RunStore
from mmcore.jobs import run_inline
from tests.app.conftest import Open, texts


def test_empty_store_says_what_to_do_next(open_page: Open) -> None:
    app = open_page("runs")
    assert "Train a first model" in app.info[0].value
    assert app.get("page_link")[0].proto.label == "Go to Train"


def test_all_runs_newest_first_with_the_test_sealed(finished: Run, store: RunStore, open_page: Open) -> None:
    newer = store.create(finished.config, name="newer")
    table = open_page("runs").dataframe[0].value
    assert list(table["Name"]) == [newer.name, finished.name]
    assert list(table["Test"]) == ["Sealed", "Sealed"]
    assert table["Validation"][1] == pytest.approx(finished.losses["val_loss"])
    store.open_test(finished.id)
    opened = store.run(finished.id)
    app = open_page("runs")
    assert app.dataframe[0].value["Test"][1] == "Opened once"
    assert f"{opened.losses['test_loss']:.3f}" not in app.dataframe[0].value.to_string() + texts(app)


def test_rename_and_note(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("runs", run=finished.id)
    app.text_input(key=f"name_{finished.id}").set_value("Dimension four").run()
    app.text_area(key=f"note_{finished.id}").set_value("underfits").run()
    run = store.run(finished.id)
    assert (run.name, run.note) == ("Dimension four", "underfits")


def test_a_name_needs_a_letter(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("runs", run=finished.id)
    app.text_input(key=f"name_{finished.id}").set_value("   ").run()
    assert "name must have 1 to 200 characters" in app.error[0].value
    assert store.run(finished.id).name == finished.name


def test_open_leads_to_train_with_the_run(finished: Run, open_page: Open) -> None:
    app = open_page("runs", run=finished.id)
    app.button(key="open").click().run()
    assert app.title[0].value == "Train"
    assert app.query_params["run"] == finished.id


def test_stop_and_continue(finished: Run, store: RunStore, open_page: Open) -> None:
    waiting = store.create(finished.config)
    app = open_page("runs", run=waiting.id)
    app.button(key="stop").click().run()
    assert store.run(waiting.id).state is RunState.STOPPED
    app.button(key="continue").click().run()
    assert store.run(waiting.id).state is RunState.QUEUED


def test_delete_asks_first(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("runs", run=finished.id)
    app.button(key="delete").click().run()
    assert store.run(finished.id), "one click must not delete"
    assert app.button(key="confirm_delete") and app.button(key="keep")


def test_a_run_that_works_cannot_be_deleted(finished: Run, store: RunStore, open_page: Open) -> None:
    working = store.create(finished.config)
    assert store.claim(working.id)
    app = open_page("runs", run=working.id)
    assert app.button(key="delete").disabled


def test_downloads_are_offered(finished: Run, open_page: Open) -> None:
    app = open_page("runs", run=finished.id)
    assert len(app.get("download_button")) == 4


def test_e3_all_interrupted_runs_are_continued_at_once(finished: Run, store: RunStore, open_page: Open) -> None:
    runs = [store.create(finished.config) for _ in range(3)]
    for run in runs[:2]:
        store.finish(run.id, store.claim(run.id) or "", RunState.INTERRUPTED)
    app = open_page("runs")
    (button,) = [button for button in app.button if button.key == "continue_all"]
    assert button.label == "Continue all 2 interrupted runs"
    button.click().run()
    assert store.queued() == [runs[2].id, runs[0].id, runs[1].id]
    assert "continue_all" not in [button.key for button in app.button]


@pytest.mark.parametrize("page", ["home", "runs", "train", "lessons", "generate", "playground"])
def test_e5_a_run_that_cannot_be_read_breaks_no_page(
    page: str, finished: Run, store: RunStore, open_page: Open
) -> None:
    bad = store.create(finished.config)
    with store._write() as db:
        db.execute(sa.text("UPDATE runs SET config = '{}' WHERE id = :id"), {"id": bad.id})
    app = open_page(page, run=bad.id)
    assert not app.exception
    if page == "runs":
        assert f"run {bad.id} ({bad.name}) cannot be read: " in texts(app)
        app.button(key=f"delete_{bad.id}").click().run()
        assert app.button(key="confirm_delete") and store.unreadable()


def test_b4_a_finished_run_is_trained_longer(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("train", run=finished.id)
    app.number_input(key=f"more_{finished.id}").set_value(25).run()
    assert "The one-cycle schedule is stretched to 55 steps" in texts(app)
    app.button(key="go_on").click().run()
    run = store.run(finished.id)
    assert (run.state, run.max_steps, run.config.train.max_steps) == (RunState.QUEUED, 55, 55)
    run_inline(store, run.id)
    run = store.run(finished.id)
    assert (run.state, run.step) == (RunState.FINISHED, 55)
