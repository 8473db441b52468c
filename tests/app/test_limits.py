"""What a visitor may have waiting and keep: said on the pages, refused in a sentence, and whose it is."""

from __future__ import annotations

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from mmcore import Run, RunConfig, RunStore, TrainConfig, corpus_from_words
from tests.app.conftest import Open, texts

WORDS = ["anna", "bob", "eve", "otto", "ada", "elle", "noon", "kayak", "hannah", "level", "nan", "pip"]


def refusals(app: AppTest) -> list[str]:
    return [toast.value.replace("\\", "") for toast in app.toast]


def test_c6_the_queues_limit_is_said_and_the_click_beyond_it_refused(
    store: RunStore, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCORE_MAX_WAITING", "2")
    monkeypatch.setattr("ui.visitor.DOUBLE_CLICK", 0.0)  # each of the clicks is meant
    app = open_page("train")
    assert "Yours: 0 of 2 waiting runs, 0 bytes of 2 GB for runs and corpora." in texts(app)
    app.button(key="train").click().run()
    assert store.runs()[0].owner == app.session_state["visitor"]
    app.button(key="train").click().run()
    assert "Yours: 2 of 2 waiting runs" in texts(app)
    assert refusals(app) == []
    app.button(key="train").click().run()
    assert refusals(app) == [
        "waiting runs must be at most 2 for one visitor, got 2 and 1 more: let some end, or stop them"
    ]
    assert not app.exception
    assert len(store.runs()) == 2
    open_page("train").button(key="train").click().run()  # another visitor
    assert len(store.runs()) == 3


def test_c6_a_sweep_is_not_begun_by_who_may_have_no_more_runs_waiting(
    store: RunStore, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCORE_MAX_WAITING", "1")
    app = open_page("lessons")
    app.button(key="start_experiment").click().run()
    assert refusals(app) == [] and len(store.sweeps()) == 1, "of its 24 runs few wait at once"
    app.switch_page("app_pages/train.py").run()
    app.button(key="train").click().run()
    app.switch_page("app_pages/lessons.py").run()
    app.segmented_control(key="experiment").set_value("context").run()
    app.button(key="start_experiment").click().run()
    assert refusals(app)[0].startswith("waiting runs must be at most 1 for one visitor, got 1 and 1 more")
    assert len(store.sweeps()) == 1
    assert not app.exception


@pytest.mark.parametrize("page", ["home", "playground"])
def test_c6_every_way_to_begin_a_run_has_the_limit(
    store: RunStore, open_page: Open, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setenv("MMCORE_MAX_STORED_MB", "1")
    app = open_page(page, steps="20") if page == "playground" else open_page(page)
    app.button(key={"home": "train_quick", "playground": "play_keep"}[page]).click().run()
    said = refusals(app) + [error.value.replace("\\", "") for error in app.error]
    assert [sentence[:50] for sentence in said] == [
        "room for runs and corpora must be at most 1 MB for one visitor"[:50]
    ]
    assert store.runs() == []
    assert not app.exception


def test_c6_a_run_beyond_the_limit_is_not_continued(
    store: RunStore, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCORE_MAX_WAITING", "1")
    app = open_page("train")
    app.button(key="train").click().run()
    app.button(key="stop").click().run()
    app.button(key="train").click().run()
    stopped = store.runs()[1]
    app.query_params["run"] = stopped.id
    app.run()
    app.button(key="continue").click().run()
    assert refusals(app)[0].startswith("waiting runs must be at most 1 for one visitor")
    assert not app.exception


def test_c6_a_corpus_without_runs_can_be_deleted_and_one_with_runs_or_the_names_cannot(
    store: RunStore, open_page: Open
) -> None:
    free, used = corpus_from_words(WORDS, "free"), corpus_from_words([*WORDS, "xx"], "used")
    store.add_corpus(free)
    store.create(RunConfig(corpus_sha256=store.add_corpus(used), train=TrainConfig(max_steps=1)))
    app = open_page("data")
    assert "delete_corpus" not in {button.key for button in app.button}, "the bundled names stay"
    app.selectbox(key="corpus_choice").set_value(used.sha256).run()
    button = app.button(key="delete_corpus")
    assert button.disabled
    assert button.help == "Delete its 1 run first."
    app.selectbox(key="corpus_choice").set_value(free.sha256).run()
    app.button(key="delete_corpus").click().run()
    assert "free, 12 words" in texts(app)
    assert free.sha256 in set(store.corpora().sha256), "one click must not delete"
    assert app.button(key="confirm_delete") and app.button(key="keep")


def test_c6_corpora_are_counted_and_limited(store: RunStore, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMCORE_MAX_CORPORA", "1")
    app = open_page("data")
    assert "Yours: 0 of 1 corpora, 0 bytes of 2 GB for runs and corpora" in texts(app)
    for _ in range(2):
        app.text_area[0].set_value("\n".join([*WORDS, "x" * (len(store.corpora()) + 1)])).run()
        next(button for button in app.button if button.label == "Add corpus").click().run()
    assert "corpora must be at most 1 for one visitor, got 1 and 1 more" in app.error[0].value
    app.run()
    assert f"Yours: 1 of 1 corpora, {len(' '.join(WORDS)) + 4} bytes of 2 GB for runs and corpora" in texts(app)
    assert len(store.corpora()) == 2


def test_c6_what_a_run_takes_is_shown(store: RunStore, finished: Run, open_page: Open) -> None:
    size = store.stored()[finished.id] / 10**6
    assert size > 0.1
    table: pd.DataFrame = open_page("runs").dataframe[0].value
    assert table["Stored"].tolist() == [pytest.approx(size)]
    assert f" {size * 1000:.3g} kB in the store." in texts(open_page("train"))


def test_c6_a_notes_length_is_limited_by_the_field_and_behind_it(
    finished: Run, store: RunStore, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_page("runs").text_area(key=f"note_{finished.id}").proto.max_chars == 2_000
    monkeypatch.setattr("ui.runs.card.MAX_NOTE", 3_000)  # the field's
    app = open_page("runs")
    app.text_area(key=f"note_{finished.id}").set_value("x" * 2_001).run()
    assert refusals(app) == ["note must have at most 2,000 characters, got 2,001"]
    assert store.run(finished.id).note == ""
    assert not app.exception
