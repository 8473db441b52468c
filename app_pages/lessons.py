"""Lessons: the lecture's arc in short steps, its exercises and goals, which check themselves, and experiments."""

import streamlit as st

from mmcore.presets import PRESETS
from ui import pages, session, visitor
from ui.form import form
from ui.kit.text import plain
from ui.kit.theme import current_theme
from ui.lessons import experiments, glossary, goals, guessing, lessons, strip
from ui.lessons.lessons import LESSONS

st.title(pages.LESSONS.title, anchor=False)
st.markdown("Make a prediction first, then look. Each lesson goes with you to the page that shows the answer.")
corpus = visitor.current_corpus()
done = session.store().lesson_answers(visitor.identity())
with st.container(key="lessons_done"):
    st.progress(len(done) / len(LESSONS), f"{len(done)} of {len(LESSONS)} lessons finished")
first = next((lesson for lesson in LESSONS if lesson.name not in done), LESSONS[0])
for number, lesson in enumerate(LESSONS):
    with st.container(horizontal=True, vertical_alignment="center"):
        icon = ":material/check_circle:" if lesson.name in done else ":material/circle:"
        st.markdown(f"{icon} **{number + 1}. {lesson.title}** {lesson.question}", width="stretch")
        if st.button(
            "Again" if lesson.name in done else "Begin",
            key=f"open_{lesson.name}",
            type="primary" if lesson is first else "secondary",
            help=f"Opens {pages.BY_NAME[lesson.page].title} with this question beside it.",
        ):
            strip.begin(lesson)

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
            if not challenge.done and st.button(
                f"Start from {PRESETS[lessons.BEGIN_WITH].title}",
                icon=":material/arrow_forward:",
                key=f"start_{challenge.title}",
                help=f"Fills the form on {pages.TRAIN.title} with this preset; change it there.",
            ):
                form.fill_preset(lessons.BEGIN_WITH)
                pages.TRAIN.open()

with st.container(key="evidence_guessing"):
    guessing.draw()
goals.draw(current_theme())
with st.container(key="evidence_experiments"):
    experiments.draw(corpus, current_theme())
glossary.draw(corpus.tokens)
