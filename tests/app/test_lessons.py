"""Lessons: a prediction, an answer, the right page in the right state; exercises that check themselves."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from mmcore import PRESETS, Run, RunConfig, RunStore, TrainConfig, build_dataset, load
from mmcore.architectures import model_config
from mmcore.jobs import run_inline
from mmcore.model import views
from tests.app.conftest import Open, texts
from ui import pages
from ui.lessons import checks
from ui.lessons.lessons import LESSONS, Challenge, Lesson, challenges


def begun(open_page: Open, name: str, **where: str) -> AppTest:
    app = open_page("lessons", **where)
    return app.button(key=f"open_{name}").click().run()


def said(app: AppTest) -> str:
    return texts(app).replace("\\", "")


def test_a_wrong_prediction_is_told_why_and_answers_are_kept(finished: Run, open_page: Open, store: RunStore) -> None:
    app = begun(open_page, "window", run=finished.id)
    assert app.title[0].value == pages.DATA.title and "0 of 12" not in texts(app)
    assert app.button(key="lesson_check").disabled
    app.radio(key="lesson_window").set_value(0).run()
    assert "No." not in said(app), "before it is checked"
    app.button(key="lesson_check").click().run()
    assert "No. The end of the word is predicted too. It is: 5." in said(app).replace("**", "")
    assert "emma has 4 characters and gives 5 examples." in said(app)
    app.radio(key="lesson_window").set_value(1).run()
    assert "emma has 4" not in said(app), "another choice is another answer"
    app.button(key="lesson_check").click().run()
    assert "Right. One for each letter" in said(app).replace("**", "")
    app.button(key="lesson_next").click().run()
    assert app.title[0].value == pages.EMBEDDINGS.title and "Lesson 2 of 12" in said(app)
    assert app.query_params["lesson"] == "lookup"
    app.button(key="lesson_close").click().run()
    assert "Lesson 2 of 12" not in said(app) and "lesson" not in app.query_params
    assert "1 of 12 lessons finished" in app.switch_page("app_pages/lessons.py").run().progress[0].text
    [answers] = [store.lesson_answers(owner) for owner in {app.session_state["visitor"]}]
    assert answers == {"window": 1}


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_each_lesson_opens_its_page_in_the_right_state(finished: Run, open_page: Open, lesson: Lesson) -> None:
    app = begun(open_page, lesson.name, run=finished.id)
    assert not app.exception
    assert app.title[0].value == pages.BY_NAME[lesson.page].title
    for name, value in lesson.state.items():
        assert app.session_state[name] == value
    if "hood_view" in lesson.state:
        assert app.segmented_control(key="hood_view").value == lesson.state["hood_view"]
    if lesson.preset:
        assert app.session_state["form_optimizer"] == "sgd" and app.session_state["form_init"] == "lecture"
        assert [button for button in app.button if button.key == "range_test"]


def test_the_choices_hold_the_answer() -> None:
    assert len(LESSONS) == len({lesson.name for lesson in LESSONS}) == 12
    assert all(0 <= lesson.right < len(lesson.choices) == len(lesson.whys) for lesson in LESSONS)
    assert checks.CHECKS.keys() == {lesson.name for lesson in LESSONS}


@pytest.fixture
def evidence(finished: Run, store: RunStore) -> checks.Evidence:
    artifact = load(store.weights(finished.id) or b"")
    corpus, context_size = store.corpus(finished.config.corpus_sha256), artifact.model.config.context_size
    dataset = build_dataset(corpus, finished.config.split, context_size)
    return checks.Evidence(run=finished, artifact=artifact, dataset=dataset)


def figures(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?[\d.]+(?:e-?\d+)?(?<!\.)", text.replace("−", "-"))]


def test_evidence_is_computed_from_the_run(evidence: checks.Evidence) -> None:
    model, table = evidence.artifact.model, evidence.artifact.model.tensors["C"].double().numpy()
    assert checks.window(evidence) == "emma has 4 characters and gives 5 examples."
    assert figures(checks.lookup(evidence))[-1] == 0
    assert figures(checks.softmax(evidence))[-1] < 1e-12 > figures(checks.backward(evidence))[-1]

    contexts, targets = map(torch.from_numpy, evidence.dataset.train.drawn(32))
    double = model.copy(torch.float64)
    double.flat.requires_grad_()
    with torch.enable_grad():
        named = views(double.flat, model.config.shapes(27))
        hidden = torch.tanh(named["C"][contexts].flatten(1) @ named["W1"] + named["b1"])
        before = torch.nn.functional.cross_entropy(hidden @ named["W2"] + named["b2"], targets)
        (gradient,) = torch.autograd.grad(before, double.flat)
    found = figures(checks.update(evidence))
    assert found[:2] == [32, pytest.approx(before.item(), abs=1e-4)]
    assert found[-1] == pytest.approx(-100 * float(gradient.square().sum()), rel=1e-4)

    directions = table / np.linalg.norm(table, axis=1, keepdims=True)
    near = directions @ directions.T - 2 * np.eye(27)
    vowels = [evidence.vocab.stoi[letter] for letter in "aeiou"]
    beside = sum(int(near[vowel].argmax()) in vowels for vowel in vowels)
    assert checks.embeddings(evidence).startswith(f"In your run {beside} of 5 vowels")
    assert figures(checks.embeddings(evidence))[-1] == pytest.approx(5 * 4 / 26, abs=0.05)

    ids = [0] * evidence.dataset.context_size
    while len(ids) == evidence.dataset.context_size or ids[-1]:
        ids.append(int(model(torch.tensor([ids[-evidence.dataset.context_size :]])).argmax()))
    word = "".join(evidence.vocab.symbols[i] for i in ids if i)
    assert checks.sampling(evidence) == f"5 draws of your run with 5 sample seeds: {word}."


def test_the_finder_lesson_waits_for_a_range_test(finished: Run, open_page: Open) -> None:
    app = begun(open_page, "rate", run=finished.id)
    app.radio(key="lesson_rate").set_value(1).run()
    app.button(key="lesson_check").click().run()
    assert "Press Range test first" in said(app).replace("*", "")


def test_who_comes_by_an_address_sees_what_the_lesson_is_about(finished: Run, open_page: Open) -> None:
    app = open_page("under_the_hood", run=finished.id, lesson="update")
    assert app.segmented_control(key="hood_view").value == "Update" and app.session_state["hood_rate"] == 2.0
    app.segmented_control(key="hood_view").set_value("Forward").run()
    assert app.segmented_control(key="hood_view").value == "Forward", "who looks elsewhere is left to it"
    assert open_page("lessons", lesson="microgpt").segmented_control(key="experiment").value == "microgpt"


def test_the_guessing_lesson_waits_for_a_word_and_says_what_characters_cost(
    finished: Run, evidence: checks.Evidence, open_page: Open
) -> None:
    app = begun(open_page, "guess", run=finished.id)
    app.radio(key="lesson_guess").set_value(0).run()
    app.button(key="lesson_check").click().run()
    assert "Guess one word first" in said(app)
    app.button(key="start_guessing").click().run()
    while not app.session_state["guessing"][2].done:
        app.button(key="give_up").click().run()
    app.button(key="lesson_check").click().run()
    assert "Right. Nothing has been said yet" in said(app).replace("**", "")
    costs = re.search(r"in nats: the first ([\d.]+), those between ([\d.]+), the end ([\d.]+)\.", said(app))
    assert costs and costs.groups() == tuple(f"{np.mean(part):.2f}" for part in costs_by_place(evidence))


def costs_by_place(evidence: checks.Evidence) -> tuple[list[float], list[float], list[float]]:
    """Losses of the first characters of validation words, of those between, and of the ends, word by word."""
    first, between, end = [list[float]() for _ in range(3)]
    for word in evidence.dataset.splits.val:
        ids = [*evidence.vocab.encode(word), 0]
        context = [0] * evidence.dataset.context_size
        contexts = [(context + ids)[at : at + len(context)] for at in range(len(ids))]
        log_p = evidence.artifact.model(torch.tensor(contexts)).double().log_softmax(1)
        losses = (-log_p[range(len(ids)), ids]).tolist()
        first.append(losses[0])
        between += losses[1:-1]
        end.append(losses[-1])
    return first, between, end


def test_the_last_lesson_compares_sizes(evidence: checks.Evidence) -> None:
    parameters = evidence.artifact.model.flat.numel()
    assert (
        checks.microgpt(evidence) == "With your 27 symbols the lecture's MLP has 11,897 parameters and microgpt 4,192; "
        f"your run has {parameters:,} and reads {evidence.dataset.context_size} characters back."
    )


def test_an_exercise_starts_from_the_lecture(open_page: Open) -> None:
    app = open_page("lessons")
    app.button(key="start_Start from ignorance").click().run()
    assert app.title[0].value == pages.TRAIN.title and app.session_state["form_init"] == "lecture"


def test_without_a_run_a_lesson_trains_one(open_page: Open, store: RunStore) -> None:
    app = begun(open_page, "embeddings")
    assert "This lesson looks at a run of yours." in said(app)
    app.button(key="lesson_train").click().run()
    assert app.title[0].value == pages.TRAIN.title and store.latest() is not None
    assert "Lesson 9 of 12" in said(app), "it waits beside"


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
