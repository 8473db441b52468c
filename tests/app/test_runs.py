"""The page Runs: the list, and what can be done with one run."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any
from unittest.mock import MagicMock

import pandas as pd
import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from mmcore import Run, RunState, RunStore
from mmcore.architectures import model_config
from mmcore.export import FORMATS
from mmcore.jobs import run_inline
from mmcore.store import RunFilter
from mmcore.store.run import _read_run
from mmcore.store.schema import CHECKPOINTS, RUNS, STEPS
from mmcore.sweeps import Axis, Sweep
from tests.app.conftest import Open, texts
from ui import session
from ui.kit.text import plain
from ui.runs import actions, selection


def test_empty_store_says_what_to_do_next(open_page: Open) -> None:
    app = open_page("runs")
    assert "Train a first model" in app.info[0].value
    assert app.get("page_link")[0].proto.label == "Go to Run"


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
    assert app.title[0].value == "Run"
    assert app.query_params["run"] == finished.id


def test_stop_and_continue(finished: Run, store: RunStore, open_page: Open) -> None:
    waiting = store.create(finished.config)
    app = open_page("runs", run=waiting.id)
    app.button(key="stop").click().run()
    assert store.run(waiting.id).state is RunState.STOPPED
    app.button(key="continue").click().run()
    assert store.run(waiting.id).state is RunState.QUEUED


def test_a_deleted_run_comes_back_after_a_visit_to_another_page(
    finished: Run, store: RunStore, open_page: Open
) -> None:
    app = open_page("runs", run=finished.id)
    app.button(key=f"delete_{finished.id}").click().run()
    assert store.count() == 0 and store.count(RunFilter(deleted=True)) == 1
    assert f"Deleted **{plain(finished.name)}**" in texts(app) and "Train a first model" in app.info[0].value
    app = app.switch_page("app_pages/data.py").run().switch_page("app_pages/runs.py").run()
    app.button(key="undo").click().run()
    assert store.run(finished.id) == finished
    assert "Deleted" not in texts(app) and app.button(key="open")


def test_the_bin_is_emptied_or_brought_back(finished: Run, store: RunStore, open_page: Open) -> None:
    ids = copies(store, finished, 3)
    store.delete(*ids)
    app = open_page("runs")
    assert "3 deleted runs, " in texts(app) and "24 hours after it was deleted" in texts(app)
    app.multiselect(key="bin_chosen").set_value([ids[1]]).run()
    app.button(key="restore").click().run()
    assert {run.id for run in store.summaries()} == {finished.id, ids[1]}
    app.button(key="empty_bin").click().run()
    assert store.count(RunFilter(deleted=True)) == 0 and "empty_bin" not in [button.key for button in app.button]


def select(app: AppTest, ids: Iterable[str]) -> AppTest:
    """Runs as they are selected by ticking them, which AppTest cannot."""
    app.session_state[selection.KEY] = list(ids)
    return app.run()


def keys(app: AppTest) -> set[str]:
    return {button.key for button in app.button}


def test_several_runs_are_deleted_and_undone(finished: Run, store: RunStore, open_page: Open) -> None:
    ids = copies(store, finished, 3)
    app = select(open_page("runs", run=finished.id), ids[:2])
    assert "**2 selected**" in texts(app)
    assert "delete" not in keys(app), "a card is that of one run"
    app.button(key="delete_selected").click().run()
    assert {run.id for run in store.runs()} == {finished.id, ids[2]}
    assert "Deleted **2 runs**" in texts(app) and "selected**" not in texts(app)
    app.button(key="undo").click().run()
    assert store.count() == 4 and "**2 selected**" in texts(app)


def test_a_selection_is_kept_while_one_pages_filters_and_goes_away(
    finished: Run, store: RunStore, open_page: Open
) -> None:
    ids = copies(store, finished, 120)
    app = select(open_page("runs", run=finished.id), [ids[0], ids[100]])
    app.text_input(key="runs_search").set_value("older 5").run()
    assert "**2 selected**" in texts(app)
    app = app.switch_page("app_pages/data.py").run().switch_page("app_pages/runs.py").run()
    assert "**2 selected**" in texts(app) and app.text_input(key="runs_search").value == "older 5"
    app.button(key="select_all").click().run()
    assert "**21 selected**" in texts(app), "those that are searched for"
    app.button(key="clear").click().run()
    assert "selected**" not in texts(app)
    assert app.button(key="select_all").label == "Select all 21"
    app.button(key="show_all").click().run()
    assert app.button(key="select_all").label == "Select all 121"


@pytest.mark.parametrize(
    ("before", "shown", "chosen", "after"),
    [
        ([], ["a", "b"], ["b"], ["b"]),
        (["x"], ["a", "b"], ["b"], ["x", "b"]),
        (["x", "b"], ["a", "b"], [], ["x"]),
        (["b", "x"], ["a", "b"], ["b", "a"], ["b", "x", "a"]),
    ],
)
def test_ticking_changes_only_what_is_shown(
    before: list[str], shown: list[str], chosen: list[str], after: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, Any] = {selection.KEY: before}
    monkeypatch.setattr(selection.st, "session_state", kept)
    monkeypatch.setattr(selection.visitor, "open_run", lambda run_id: None)
    selection.select_here(shown, chosen)
    assert kept[selection.KEY] == after


def test_selected_runs_are_tagged_stopped_continued_and_compared(
    finished: Run, store: RunStore, open_page: Open
) -> None:
    waiting = store.create(finished.config)
    stopped = store.create(finished.config)
    store.request_stop(stopped.id)
    app = select(open_page("runs"), [waiting.id, stopped.id])
    assert (app.button(key="stop_selected").label, app.button(key="continue_selected").label) == (
        "Stop 1",
        "Continue 1",
    )
    app.button(key="continue_selected").click().run()
    assert store.run(stopped.id).state is RunState.QUEUED
    app.button(key="stop_selected").click().run()
    assert store.run(waiting.id).state is RunState.STOPPED
    store.tag([finished.id], "to keep")  # AppTest can choose a tag and not type one
    app.run()
    app.selectbox(key="tag").set_value("to keep").run()
    app.button(key="tag_add").click().run()
    assert store.tags() == {"to keep": 3}
    assert list(app.dataframe[0].value["Tags"].map(list)) == [["to keep"]] * 3
    app.selectbox(key="tag").set_value("to keep").run()
    app.button(key="tag_remove").click().run()
    assert store.tags() == {"to keep": 1}
    app.button(key="compare").click().run()
    assert app.title[0].value == "Compare" and app.query_params["runs"] == f"{waiting.id},{stopped.id}"


def test_a_run_in_training_keeps_a_selection_from_being_deleted(
    finished: Run, store: RunStore, open_page: Open
) -> None:
    working = store.create(finished.config, token="works")
    app = select(open_page("runs"), [finished.id, working.id])
    assert app.button(key="delete_selected").disabled


def test_runs_are_filtered_by_what_they_are(finished: Run, store: RunStore, open_page: Open) -> None:
    gru = finished.config.replace(
        model=model_config(architecture="gru", context_size=3, embedding_dim=2, hidden_size=4)
    )
    other = store.create(gru, name="recurrent")
    store.tag([other.id], "mine")
    app = open_page("runs")
    assert "runs_corpus" not in [box.key for box in app.selectbox], "there is one corpus only"
    app.multiselect(key="runs_tags").set_value(["mine"]).run()
    assert list(app.dataframe[0].value["Name"]) == ["recurrent"]
    assert app.get("popover")[0].proto.popover.label == "Filter (1)"
    app.multiselect(key="runs_architectures").set_value(["mlp"]).run()
    assert not app.dataframe and "Change the search or the filter above." in texts(app)
    app.button(key="show_all").click().run()
    assert len(app.dataframe[0].value) == 2
    app.multiselect(key="runs_architectures").set_value(["mlp"]).run()
    assert list(app.dataframe[0].value["Name"]) == [finished.name]
    sweep = store.create_sweep(Sweep(base=gru, axes=(Axis(name="context_size", values=(3,)),)), name="one")
    store.add_to_sweep(sweep.id, [(gru, "recurrent")], known=0)
    app = open_page("runs", sweep=sweep.id)
    assert list(app.dataframe[0].value["Name"]) == ["recurrent"]


def test_the_table_is_exported_whole_and_without_test_losses(finished: Run, store: RunStore, open_page: Open) -> None:
    copies(store, finished, 120)
    store.open_test(finished.id)
    assert "export" in {button.proto.id.rpartition("-")[2] for button in open_page("runs").get("download_button")}
    table = pd.read_csv(io.BytesIO(actions._table(store, RunFilter(text="older"))))
    assert len(table) == 120 and {"batch_size", "tags", "val_loss"} <= set(table.columns)
    whole = actions._table(store, RunFilter()).decode()
    assert "test_loss" not in whole and f"{store.run(finished.id).losses['test_loss']:.4f}" not in whole


def test_a_run_that_works_cannot_be_deleted(finished: Run, store: RunStore, open_page: Open) -> None:
    working = store.create(finished.config)
    assert store.claim(working.id)
    app = open_page("runs", run=working.id)
    assert app.button(key=f"delete_{working.id}").disabled


def test_the_dialog_offers_every_format_and_makes_none_until_it_is_asked_for(
    finished: Run, store: RunStore, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmcore.take_home.take_home", None)  # whoever calls it fails
    app = open_page("runs", run=finished.id)
    app.button(key="take_home").click().run()
    assert not app.exception
    buttons = {button.proto.id.rpartition("-")[2]: button.proto for button in app.get("download_button")}
    assert [key for key in buttons if key.startswith("save_")] == [f"save_{key}" for key in FORMATS]
    assert not any(buttons[f"save_{key}"].disabled for key in FORMATS)
    assert all(known.title in texts(app) and known.use in texts(app) for known in FORMATS.values())


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
        assert not store.unreadable() and app.button(key="undo")


def test_b4_a_finished_run_is_trained_longer(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("train", run=finished.id)
    app.number_input(key=f"more_{finished.id}").set_value(25).run()
    assert "55 steps in all. The one-cycle schedule is stretched to them" in texts(app)
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
    assert "Change the search or the filter above." in texts(app) and not app.dataframe


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
    assert open_page("splits", run=finished.id).select_slider(key="step_choice").value == 40
    assert fetched.call_count == 2
