"""Lessons: a prediction, an answer, the right page in the right state; exercises that check themselves."""

from __future__ import annotations

import pytest

from mmcore import Run, RunStore, TrainConfig
from mmcore.architectures import model_config
from mmcore.corpus import corpus_from_words
from mmcore.jobs import run_inline
from tests.app.conftest import Open, texts
from tests.app.elements import without_help
from ui.lessons.lessons import LESSONS


def test_a_prediction_is_answered_and_counted(finished: Run, open_page: Open) -> None:
    app = open_page("lessons")
    assert "0 of 10 lessons finished" in app.progress[0].text
    app.radio(key="lesson_0").set_value(0).run()
    said = texts(app).replace("\\", "")
    assert "No: 5." in said and "1 of 10" in app.progress[0].text
    app.radio(key="lesson_1").set_value(1).run()
    assert "Right." in texts(app).replace("\\", "") and "2 of 10" in app.progress[0].text
    assert without_help(app) == []


@pytest.mark.parametrize("number", range(len(LESSONS)))
def test_each_lesson_opens_its_page_in_the_right_state(finished: Run, open_page: Open, number: int) -> None:
    lesson = LESSONS[number]
    app = open_page("lessons", run=finished.id)
    app.button(key=f"open_{number}").click().run()
    assert not app.exception
    assert app.title[0].value == {"under_the_hood": "Under the hood"}.get(lesson.page, lesson.page.capitalize())
    for name, value in lesson.state.items():
        assert app.session_state[name] == value
    if "hood_view" in lesson.state:
        assert app.segmented_control(key="hood_view").value == lesson.state["hood_view"]
    if lesson.page == "train":
        assert [button for button in app.button if button.key == "range_test"]


def test_the_choices_hold_the_answer() -> None:
    assert len(LESSONS) == 10
    assert all(0 <= lesson.right < len(lesson.choices) for lesson in LESSONS)


def test_exercises_are_judged_by_the_runs(finished: Run, store: RunStore, open_page: Open) -> None:
    said = texts(open_page("lessons"))
    assert said.count("Done") == 1, "the scaled start is near ln 27"
    train = TrainConfig(max_steps=1_200)
    run_inline(store, store.create(finished.config.replace(model=model_config(direct=True), train=train)).id)
    assert texts(open_page("lessons")).count("Done") == 3


def test_words_that_are_easier_do_not_beat_the_lecture(finished: Run, store: RunStore, open_page: Open) -> None:
    sha256 = store.add_corpus(corpus_from_words(["aaaa"] * 40, "one word"))
    run = run_inline(store, store.create(finished.config.replace(corpus_sha256=sha256)).id)
    assert run.losses["val_loss"] < 2.2
    said = texts(open_page("lessons")).replace("\\", "")
    assert f"Best so far: {finished.losses['val_loss']:.4f}" in said


def test_without_a_run_the_exercises_are_open(open_page: Open) -> None:
    said = texts(open_page("lessons"))
    assert said.count("Open") >= 3 and "No run has" in said
