"""The lesson that a visitor is in, beside every page: its question, where to look, the answer from their own run."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import streamlit as st

from mmcore import RunConfig
from mmcore.presets import PRESETS
from ui import pages, session, visitor
from ui.form import form
from ui.kit.text import plain
from ui.lessons import checks, lessons
from ui.lessons.lessons import LESSONS, Lesson

HERE = Path(__file__).parent
STYLE = (HERE / "strip.css").read_text("utf-8")

_look_here = st.components.v2.component(
    "look_here",
    html=(HERE / "look.html").read_text("utf-8"),
    css=(HERE / "look.css").read_text("utf-8"),
    js=(HERE / "look.js").read_text("utf-8"),
    isolate_styles=False,  # it outlines what is elsewhere on the page
)


def current() -> Lesson | None:
    """The lesson in the URL, else the one begun last and not closed."""
    return lessons.BY_NAME.get(str(st.query_params.get("lesson") or st.session_state.get("lesson")))


def begin(lesson: Lesson) -> NoReturn:
    """Open a lesson's page in the state that the lesson is about."""
    _prepare(lesson)
    pages.BY_NAME[lesson.page].open({"lesson": lesson.name})


def _prepare(lesson: Lesson) -> None:
    """Let the widgets of its page show what the lesson is about."""
    st.session_state["lesson"] = lesson.name
    st.session_state["lesson_folded"] = False
    for name, value in lesson.state.items():
        st.session_state[name] = value
    if lesson.preset:
        form.fill_preset(lesson.preset)


def close() -> None:
    """End the lesson, wherever the visitor is."""
    st.session_state.pop("lesson", None)
    st.query_params.pop("lesson", None)


def draw(page: str) -> None:
    """The strip on a page, if there is a lesson; `page` is the page's name."""
    lesson = current()
    if lesson is None:
        return
    if st.session_state.get("lesson") != lesson.name:  # who came by an address sees what the lesson is about, too
        _prepare(lesson)
    if st.query_params.get("lesson") != lesson.name:  # so that a reload goes on with it
        st.query_params["lesson"] = lesson.name
    st.html(f"<style>{STYLE}</style>")
    with st.container(key="lesson"):
        _draw(lesson, page)


def _draw(lesson: Lesson, page: str) -> None:
    number = LESSONS.index(lesson)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(f"Lesson {number + 1} of {len(LESSONS)}", width="content")
        folded = st.session_state.get("lesson_folded", False)
        fold, icon = ("Unfold", "expand_more") if folded else ("Fold", "expand_less")
        st.button(
            fold, key="lesson_fold", type="tertiary", icon=f":material/{icon}:", on_click=_fold, args=(not folded,)
        )
        st.button("Close", key="lesson_close", type="tertiary", icon=":material/close:", on_click=close)
    with st.container(key="lesson_folded" if folded else "lesson_open"):  # which only narrow screens hide
        _draw_question(lesson, page, number)


def _fold(folded: bool) -> None:
    st.session_state["lesson_folded"] = folded


def _draw_question(lesson: Lesson, page: str, number: int) -> None:
    st.markdown(f"**{lesson.title}**")
    st.markdown(lesson.look)
    choice = st.radio(
        lesson.question,
        range(len(lesson.choices)),
        index=session.store().lesson_answers(visitor.identity()).get(lesson.name),
        format_func=lesson.choices.__getitem__,
        key=f"lesson_{lesson.name}",
    )
    evidence = _evidence()
    with st.container(horizontal=True, vertical_alignment="center"):
        if page != lesson.page:
            pages.BY_NAME[lesson.page].link(query={"lesson": lesson.name})
        elif evidence is not None:
            _look_here(key="lesson_look", data={"evidence": lesson.evidence})
        check = st.button("Check", key="lesson_check", type="primary", disabled=choice is None or evidence is None)
    if evidence is None:
        st.markdown("This lesson looks at a run of yours. The quick one takes seconds.")
        if st.button("Train a model", key="lesson_train", icon=":material/play_arrow:"):
            _train()
        return
    if check and choice is not None:
        _check(lesson, choice, evidence)
    asked, said = st.session_state.get("lesson_said", (None, ""))
    if asked == (lesson.name, choice):
        st.markdown(said)
        _draw_next(number)


def _evidence() -> checks.Evidence | None:
    """The run that the pages show, if it has weights."""
    run = visitor.run_asked_for() or session.store().latest()
    artifact = session.artifact(run) if run else None
    if run is None or artifact is None:
        return None
    return checks.Evidence(run=run, artifact=artifact, dataset=session.run_dataset(run))


def _train() -> NoReturn:
    preset = PRESETS["quick"]
    corpus = visitor.current_corpus().sha256
    visitor.start_run(RunConfig(corpus_sha256=corpus, model=preset.model, train=preset.train))
    pages.TRAIN.open()


def _check(lesson: Lesson, choice: int, evidence: checks.Evidence) -> None:
    """Keep the answer, and say whether it is right and what the visitor's run says."""
    found = checks.CHECKS[lesson.name](evidence)
    if found is None:
        st.session_state["lesson_said"] = (lesson.name, choice), lesson.first
        return
    session.store().answer_lesson(visitor.identity(), lesson.name, choice)
    st.session_state["lesson_said"] = (lesson.name, choice), f"{lesson.verdict(choice)}\n\n{plain(found)}"


def _draw_next(number: int) -> None:
    if number + 1 < len(LESSONS):
        if st.button("Next", key="lesson_next", icon=":material/arrow_forward:"):
            begin(LESSONS[number + 1])
    else:
        pages.LESSONS.link("All lessons are done. Back to Lessons")
