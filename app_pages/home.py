"""Start: one button, and within seconds a model that learns names."""

import streamlit as st

from mmcore import PRESETS, Run, RunConfig
from mmcore.store import LIVE
from ui import pages, picture, session, visitor
from ui.run import heading, progress, results

ROOMS = ("Learn", "Data", "Generate"), ("Train",), ("Look inside",)  # a column each

st.title("Makemore Lab")
st.markdown("Learn how a neural network writes new names, one character at a time, by training one and watching it.")
run = visitor.current_run()
if st.button("Train a model", type="primary", icon=":material/play_arrow:", key="train_quick"):
    preset = PRESETS["quick"]
    sha256 = session.bundled_sha256()
    run = visitor.start_run(RunConfig(corpus_sha256=sha256, model=preset.model, train=preset.train)) or run
words = len(session.corpus(session.bundled_sha256()).words)
st.caption(
    f"The quick preset on {words:,} first names: it takes some seconds. The loss falls, and the names get better."
)


@st.fragment(run_every=progress.tick(run, 0.25))
def watch_status(shown: Run) -> None:
    progress.draw_status(*progress.look(shown))


@st.fragment(run_every=progress.tick(run, 1.0))  # weights are not saved more often
def watch_network(shown: Run) -> None:
    run, _ = progress.look(shown)
    picture.draw_run(run, key=f"picture_{run.id}")


@st.fragment(run_every=progress.tick(run, 0.25))
def watch_curve(shown: Run) -> None:
    run, history = progress.look(shown)
    chart, samples = st.columns([3, 2], gap="large")
    with chart:
        progress.draw_curve(run, history, height=360)
    with samples:
        progress.draw_samples(run)


if run:
    if run.state in LIVE:
        st.session_state["watched_run"] = run.id  # once watched, the whole curve stays for this visit
    watched = st.session_state.get("watched_run") == run.id
    with st.container(border=True):
        heading.draw(run)
        if watched:
            watch_status(run)
        watch_network(run)
        if watched:
            watch_curve(run)
        else:
            results.draw_short(run)

st.header("Then look closer")
for column, rooms in zip(st.columns(3, gap="medium"), ROOMS, strict=True):
    with column.container(gap="xxsmall"):
        st.caption(" · ".join(rooms))
        for page in (page for room in rooms for page in pages.GROUPS[room]):
            page.link(f"**{page.title}** {page.question}")
