"""Lessons: the lecture's arc in ten short steps, its exercises and goals, which check themselves, and experiments."""

import streamlit as st

from ui import pages, session, visitor
from ui.kit.text import plain
from ui.kit.theme import current_theme
from ui.lessons import experiments, glossary, goals, guessing, lessons

st.title(pages.LESSONS.title, anchor=False)
st.markdown("Make a prediction first, then look. Every page shows your own run, so train one before you start.")
done: dict[int, int] = st.session_state.setdefault("lessons_done", {})  # lesson -> the choice made
st.progress(len(done) / len(lessons.LESSONS), f"{len(done)} of {len(lessons.LESSONS)} lessons finished")

for number, lesson in enumerate(lessons.LESSONS):
    icon = ":material/check_circle:" if number in done else ":material/circle:"
    with st.expander(
        f"{number + 1}. {lesson.title}", icon=icon, expanded=number == st.session_state.get("lesson_open", 0)
    ):
        st.markdown(lesson.look)
        choice = st.radio(
            lesson.question,
            range(len(lesson.choices)),
            index=done.get(number),
            format_func=lesson.choices.__getitem__,
            key=f"lesson_{number}",
            help="Choose before you look.",
        )
        if choice is not None:
            if number not in done:
                st.session_state["lesson_open"] = number  # stays open: the answer is in it
                done[number] = choice
                st.rerun()
            verdict = "Right." if choice == lesson.right else f"No: {lesson.choices[lesson.right]}."
            st.markdown(f"**{plain(verdict)}** {lesson.answer}")
        if st.button(lesson.button, icon=":material/arrow_forward:", key=f"open_{number}", help="Opens that page."):
            for name, value in lesson.state.items():
                st.session_state[name] = value
            pages.BY_NAME[lesson.page].open()

st.header("Exercises of the lecture", anchor=False)
runs = session.store().runs(limit=50)
firsts = session.store().first_losses(run.id for run in runs if run.config.origin is None)
sizes = {run.id: session.vocab(run.config.corpus_sha256).size for run in runs}
with st.grid(2, min_column_width=260):
    for challenge in lessons.challenges(runs, firsts, sizes):
        with st.container(border=True, height="stretch"):
            state = ":material/check_circle: Done" if challenge.done else ":material/pending: Open"
            st.markdown(f"**{plain(challenge.title)}** · {state}")
            st.markdown(challenge.task)
            st.caption(plain(challenge.evidence))

guessing.draw()
goals.draw(current_theme())
experiments.draw(visitor.current_corpus().sha256, current_theme())
glossary.draw()
