"""What visitors press twice, or before the page was drawn with what they typed: it counts once, and as it was typed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mmcore import Run, RunStore
from mmcore.store import RunFilter, RunState
from tests.app.conftest import Open
from ui import visitor
from ui.lessons import guessing
from ui.run import unseal
from ui.runs import actions, deleted, size
from ui.sweep import change


@pytest.fixture
def state(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A visitor's session without a page, whose refusals are in it too."""
    kept: dict[str, Any] = {"visitor": "ada", "refused": []}
    for module in (visitor, guessing, unseal, actions, deleted, size):
        monkeypatch.setattr(module.st, "session_state", kept)
    monkeypatch.setattr(visitor, "identity", lambda: "ada")
    monkeypatch.setattr(visitor, "refuse", lambda problem: kept["refused"].append(str(problem)))
    monkeypatch.setattr(visitor, "queue", lambda: SimpleNamespace(submit=lambda run_id: None))
    return kept


def test_a_double_click_begins_one_run_and_a_later_one_another(
    finished: Run, store: RunStore, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("train")
    app.button(key="train").click().run()
    app.button(key="train").click().run()
    assert store.count(RunFilter(states=[RunState.QUEUED])) == 1 and not app.exception
    monkeypatch.setattr(visitor, "DOUBLE_CLICK", 0.0)
    app.button(key="train").click().run()
    assert store.count(RunFilter(states=[RunState.QUEUED])) == 2


def test_a_run_that_was_let_go_on_is_not_refused_for_it(finished: Run, store: RunStore, state: dict[str, Any]) -> None:
    run_id = store.create(finished.config).id
    store.request_stop(run_id)
    visitor.continue_run(run_id)
    visitor.continue_run(run_id)
    assert store.run(run_id).state is RunState.QUEUED and state["refused"] == []
    visitor.continue_run(finished.id)
    assert len(state["refused"]) == 1, "a finished one has no more steps"


def test_more_steps_are_those_that_are_typed(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("train", run=finished.id)
    app.number_input(key=f"more_{finished.id}").set_value(7)  # and pressed before the page is drawn with it
    app.button(key="go_on").click().run()
    assert store.run(finished.id).max_steps == finished.max_steps + 7


def test_the_one_thing_that_is_changed_is_what_is_typed(finished: Run, store: RunStore, open_page: Open) -> None:
    app = open_page("train", run=finished.id)
    app.selectbox(key=f"one_{finished.id}").set_value("learning_rate").run()
    rate = app.number_input(key=f"one_{finished.id}_learning_rate")
    rate.set_value(0.05).run()
    app.number_input(key=f"one_{finished.id}_learning_rate").set_value(0.03)
    app.button(key="one_train").click().run()
    latest = store.latest()
    assert latest is not None and latest.config.train.learning_rate == 0.03


def test_checkpoints_are_dropped_beyond_the_limit_that_is_typed(
    finished: Run, store: RunStore, state: dict[str, Any]
) -> None:
    before = len(store.checkpoints(finished.id))
    state["keep_mb"] = 1_000.0
    size._drop([finished.id])
    assert len(store.checkpoints(finished.id)) == before > 0
    state["keep_mb"] = 0.0
    size._drop([finished.id])
    assert store.checkpoints(finished.id) == []


def test_a_tag_is_the_one_that_is_chosen(finished: Run, store: RunStore, open_page: Open) -> None:
    other = store.create(finished.config).id
    for tag in ("first", "second"):
        store.tag([other], tag)
    app = open_page("runs")
    app.session_state["selected_runs"] = [finished.id]
    app.run()
    app.selectbox(key="tag").set_value("first").run()
    app.selectbox(key="tag").set_value("second")
    app.button(key="tag_add").click().run()
    assert store.run(finished.id).tags == ("second",)


def test_what_comes_out_of_the_bin_is_what_is_chosen(finished: Run, store: RunStore, open_page: Open) -> None:
    ids = [store.create(finished.config).id for _ in range(3)]
    store.delete(*ids)
    app = open_page("runs")
    app.multiselect(key="bin_chosen").set_value([ids[1]])
    app.button(key="restore").click().run()
    assert {run.id for run in store.summaries()} == {finished.id, ids[1]}
    assert not app.toast


def test_deleting_twice_deletes_once_and_undoing_twice_brings_back_once(
    finished: Run, store: RunStore, state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitor, "open_run", lambda run_id: None)
    for _ in range(2):
        deleted.delete([finished.id])
    assert store.count() == 0 and state["refused"] == []
    for _ in range(2):
        deleted._restore([finished.id])
    assert store.count() == 1 and state["refused"] == []
    store.delete(finished.id)
    store.empty_bin()
    deleted._restore([finished.id])
    assert state["refused"] == ["1 run cannot come back: the bin was emptied."]


def test_opening_the_test_split_twice_in_a_visit_counts_once(
    finished: Run, store: RunStore, state: dict[str, Any]
) -> None:
    for _ in range(2):
        unseal._open([finished.id])
    assert store.run(finished.id).test_openings == 1 and state["unsealed"] == {finished.id}


def test_a_sweep_that_another_tab_has_deleted_is_only_left(
    state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitor, "close_sweep", lambda: state.update(left=True))
    change._delete("nothing")
    assert state["left"]


def test_a_guess_that_the_browser_says_again_is_not_one_for_the_next_letter(state: dict[str, Any]) -> None:
    guesses: list[int] = []
    game: Any = SimpleNamespace(done=[], ranks=[], wrong=[])

    def guess(symbol: int) -> None:
        guesses.append(symbol)
        game.ranks.append(1)

    game.guess, game.give_up = guess, lambda: guess(-1)
    key = guessing._key(game)
    state[key] = 5
    for _ in range(2):
        guessing._guessed(game, key)
    assert guesses == [5]
    guessing._given_up(game, key)
    assert guesses == [5], "the button was drawn for the letter before"
    guessing._given_up(game, guessing._key(game))
    assert guesses == [5, -1]
