"""Train: choose settings, watch the loss fall, take the weights home."""

import streamlit as st

from mmcore import Run, RunConfig, split_words
from mmcore.cost import accept, amount
from ui import clinic, finder, forms, progress, reading, session
from ui.text import plain
from ui.theme import current_theme

st.title("Train", anchor=False)
st.markdown(
    "A model reads the last few characters and predicts the next one: the lecture's MLP, or one of its relatives. "
    "Training repeats forward, backward, update; the loss says how surprised the model still is."
)
run = session.current_run()
corpus = session.current_corpus()
forms.start(run.config if run else None)
forms.fill(st.session_state.pop("mended", {}))  # the doctor's settings, chosen below
if run:
    st.container(key="narrow").markdown(":material/arrow_downward: [To the run, below the settings](#run)")
settings, result = st.columns([1, 2], gap="large")

with settings:
    config = forms.draw(corpus.sha256)
    if isinstance(config, RunConfig):
        try:
            split_words(corpus.words, config.split)
            cost = accept(config, corpus.report)
        except ValueError as error:
            config = error
    if isinstance(config, RunConfig):
        size = session.vocab(corpus.sha256).size
        time = forms.expected_time(config, size, forms.finished_runs(session.store().runs()))
        with st.expander(f"{config.model.parameters(size):,} parameters, {forms.room(cost)}, {time}"):
            st.table(forms.parameter_table(config.model, size), hide_index=True, border="horizontal")
            st.caption(f"Vocabulary of {size} symbols. The weights file will have {amount(cost.file)}.")
    else:
        st.error(plain(str(config)))
    st.text(f"Corpus: {corpus.name}, {len(corpus.words):,} words", help="Chosen on the page Data.")
    if st.button(
        "Train",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        key="train",
        disabled=not isinstance(config, RunConfig),
    ) and isinstance(config, RunConfig):
        run = session.start_run(config) or run
    said = session.usage().said()
    st.caption(f"Yours: {said['waiting']}, {said['stored']}.")
    if isinstance(config, RunConfig):
        finder.draw(config, current_theme())


@st.fragment(run_every=progress.tick(run))
def watch(shown: Run) -> None:
    run, history = progress.look(shown)
    progress.draw_status(run, history)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        progress.draw_buttons(run)
        log_x = st.toggle(
            "Logarithmic steps",
            key="log_steps",
            persist_state="session",
            help="Shows the first updates, where the loss falls fastest, as wide as the rest. Step 0 is left out.",
        )
        smoothing = st.slider(
            "Smoothing of the batch loss",
            0.0,
            0.95,
            0.0,
            0.05,
            key="smoothing",
            width=220,
            persist_state="session",
            help="Share of the past in each value of the moving average; the raw line stays visible behind it.",
        )
    progress.draw_curve(run, history, log_x=log_x, smoothing=smoothing)
    samples, summary = st.columns(2, gap="large")
    with samples:
        progress.draw_samples(run)
    if run.state not in progress.LIVE and run.losses:
        with summary:
            progress.draw_summary(run)
        progress.draw_downloads(run)


with result:
    if run:
        progress.draw_heading(run, anchor="run")
        if forms.settings() != forms.values_of(run.config.model, run.config.train, run.config.split):
            progress.draw_reuse(run)
        watch(run)
        if run.state not in progress.LIVE:
            clinic.draw(run)
            reading.draw(run)
    else:
        st.info("No run yet. The settings on the page are the quick preset: press Train and the loss appears here.")
