"""The page Runs: the list, and what can be done with one run."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest
import sqlalchemy as sa

from mmcore import Run, RunState, RunStore
from mmcore.export import FORMATS
from mmcore.jobs import run_inline
from mmcore.store.run import _read_run
from mmcore.store.schema import CHECKPOINTS, RUNS, STEPS
from tests.app.conftest import Open, texts
from ui import session


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
    labels = [button.proto.label for button in app.get("download_button")]
    models = [f"{known.name} ({known.suffixes[0]})" for known in FORMATS.values()]
    assert models == ["Weights (.safetensors)", "State dict (.pt)"]
    assert labels == [*models, "Curve (CSV)", "Settings (JSON)"]


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


def copies(store: RunStore, run: Run, count: int) -> list[str]:
    """As many older runs like one, with its curve and its weights, oldest last; their ids."""
    ids = [f"copy{number:06}" for number in range(count)]
    with store._write() as db:
        names = [column.name for column in RUNS.c if column.name not in ("id", "name", "created")]
        for number, run_id in enumerate(ids):
            own = {"id": run_id, "name": f"Older {number}", "run": run.id, "age": 60.0 * (number + 1)}
            rest = ", ".join(names)
            text = f"INSERT INTO runs (id, name, created, {rest}) SELECT :id, :name, created - :age, {rest}"
            db.execute(sa.text(f"{text} FROM runs WHERE id = :run"), own)
            for table in (STEPS, CHECKPOINTS):
                rest = ", ".join(column.name for column in table.c if column.name != "run_id")
                text = f"INSERT INTO {table.name} (run_id, {rest}) SELECT :id, {rest} FROM {table.name}"
                db.execute(sa.text(f"{text} WHERE run_id = :run"), {"id": run_id, "run": run.id})
    return ids


@pytest.mark.parametrize("page", ["home", "runs", "train", "splits", "lessons", "embeddings", "generate"])
def test_a_page_reads_no_more_of_a_store_with_many_runs(
    page: str, finished: Run, store: RunStore, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies(store, finished, 300)
    read = 0

    def counted(*row: Any) -> Run:
        nonlocal read
        read += 1
        return _read_run(*row)

    monkeypatch.setattr("mmcore.store.run._read_run", counted)
    assert not open_page(page).exception
    assert 0 < read < 200


def test_many_runs_are_shown_in_parts_and_found_by_a_search(finished: Run, store: RunStore, open_page: Open) -> None:
    ids = copies(store, finished, 120)
    store.annotate(ids[100], "The one with a note")
    app = open_page("runs", run=finished.id)
    assert list(app.dataframe[0].value["Name"]) == [finished.name, *(f"Older {number}" for number in range(49))]
    assert "Runs 1 to 50 of 121." in texts(app)
    app.session_state["runs_page_3"] = 3
    app.run()
    assert list(app.dataframe[0].value["Name"]) == [f"Older {number}" for number in range(99, 120)]
    assert "Runs 101 to 121 of 121." in texts(app)
    assert app.text_input(key=f"name_{finished.id}").value == finished.name, "the run that was opened stays"
    app.text_input(key="runs_search").set_value("note one").run()
    assert list(app.dataframe[0].value["Name"]) == ["Older 100"]
    app.multiselect(key="runs_states").set_value([RunState.FAILED]).run()
    assert "Change the search or the state above." in texts(app) and not app.dataframe


def test_a_run_that_the_list_does_not_offer_is_found_by_a_search(
    finished: Run, store: RunStore, open_page: Open
) -> None:
    assert "run_search" not in [box.key for box in open_page("splits").text_input]
    ids = copies(store, finished, 120)
    app = open_page("splits", run=finished.id)
    offered = app.selectbox(key="run_choice").options
    assert len(offered) == 50 and not any("Older 110" in option for option in offered)
    app.text_input(key="run_search").set_value("older 11").run()
    assert len(app.selectbox(key="run_choice").options) == 12, "eleven that match, and the one that is shown"
    app.selectbox(key="run_choice").set_value(ids[110]).run()
    assert app.query_params["run"] == ids[110]
    assert len(app.selectbox(key="run_choice").options) == 11


def test_weights_are_fetched_once_for_a_run_and_step(
    finished: Run, store: RunStore, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = MagicMock(side_effect=RunStore.weights, autospec=True)
    monkeypatch.setattr(RunStore, "weights", lambda *run: fetched(*run))
    session._artifact.clear()
    app = open_page("generate", run=finished.id)
    app.run()
    open_page("splits", run=finished.id)
    assert fetched.call_count == 1
    store.continue_run(finished.id, max_steps=40)
    run_inline(store, finished.id)
    assert "Weights of step 40 of 40" in texts(open_page("splits", run=finished.id))
    assert fetched.call_count == 2
