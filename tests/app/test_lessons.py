"""Lessons: a prediction, an answer, the right page in the right state; exercises that check themselves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mmcore import PRESETS, Run, RunConfig, RunStore, TrainConfig
from mmcore.architectures import model_config
from mmcore.jobs import run_inline
from tests.app.conftest import Open, texts
from tests.app.elements import without_help
from ui import pages
from ui.lessons.lessons import LESSONS, Challenge, challenges


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
    assert app.title[0].value == pages.BY_NAME[lesson.page].title
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
    assert [challenge.done for challenge in judged(store)] == [False, False]
    train = TrainConfig(max_steps=5)
    for model in (finished.config.model.replace(init="lecture"), model_config(direct=True)):
        config = finished.config.replace(model=model, train=finished.config.train if model.init == "lecture" else train)
        run_inline(store, store.create(config).id)
    assert [challenge.done for challenge in judged(store)] == [True, True]
    first = store.first_losses([run.id for run in store.runs()])
    said = texts(open_page("lessons")).replace("\\", "")
    assert (
        f"begins at {max(first.values()):.4f}, “{finished.name}” at {first[finished.id]:.4f}; ln 27 = 3.2958." in said
    )
    assert said.count(":material/check_circle: Done") == 2


def judged(store: RunStore) -> list[Challenge]:
    runs = store.runs()
    firsts = store.first_losses(run.id for run in runs)
    return challenges(runs, firsts, {run.id: 27 for run in runs})


def test_no_preset_as_it_is_passes_an_exercise() -> None:
    run = SimpleNamespace(losses={"val_loss": 1.5}, name="x")
    runs: Any = [
        SimpleNamespace(**vars(run), id=name, config=RunConfig(corpus_sha256="0" * 64, model=p.model, train=p.train))
        for name, p in PRESETS.items()
    ]
    firsts = {r.id: 27.0 if getattr(r.config.model, "init", "") == "lecture" else 3.3 for r in runs}
    assert 27.0 in firsts.values() and 3.3 in firsts.values()
    assert [c.done for c in challenges(runs, firsts, dict.fromkeys(firsts, 27))] == [False, False]
    apart: Any = [SimpleNamespace(**vars(r) | {"config": r.config.replace(train=TrainConfig())}) for r in runs]
    assert challenges(apart, firsts, dict.fromkeys(firsts, 27))[0].done, "the same training, two initialisations"


def test_without_a_run_the_exercises_are_open(open_page: Open) -> None:
    said = texts(open_page("lessons"))
    assert said.count(":material/pending: Open") == 5 and "No run has" in said
