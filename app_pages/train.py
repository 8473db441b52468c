"""Train: choose settings, watch the loss fall, take the weights home."""

import streamlit as st

from mmcore import Run, RunConfig
from mmcore.cost import accept, amount, expected_time
from mmcore.store import LIVE
from ui import pages, session, visitor
from ui.form import estimate, form, settings, trained_on
from ui.kit.nouns import fit
from ui.kit.text import plain
from ui.kit.theme import current_theme
from ui.run import buttons, doctor, downloads, heading, in_words, progress, results
from ui.run.changes import changes
from ui.train import branch, finder, one_thing

st.title(pages.TRAIN.title, anchor=False)
run = visitor.current_run()
corpus = visitor.current_corpus()
about = "A model reads the last few characters and predicts the next one: the lecture's MLP, or one of its relatives. "
st.markdown(
    fit(about, corpus.tokens)
    + "Training repeats forward, backward, update; the loss says how surprised the model still is."
)
form.start(run.config if run else None)
form.fill(st.session_state.pop("mended", {}))  # the doctor's settings, chosen below
if run:
    st.container(key="narrow").markdown(":material/arrow_downward: [To the run, below the settings](#this-run)")
left, result = st.columns([1, 2], gap="large")

with left:
    config = form.draw(corpus.sha256, corpus.tokens)
    if isinstance(config, RunConfig):
        try:
            session.splits(corpus.sha256, config.split)
            cost = accept(config, corpus.report)
        except ValueError as error:
            config = error
    if isinstance(config, RunConfig):
        size = session.vocab(corpus.sha256).size
        time = expected_time(config, size, session.earlier_runs())
        with st.expander(f"{config.model.parameters(size):,} parameters, {estimate.room(cost)}, {time}"):
            st.table(estimate.parameter_table(config.model, size), hide_index=True, border="horizontal")
            st.caption(f"Vocabulary of {size} symbols. The weights file will have {amount(cost.file)}.")
    else:
        st.error(plain(str(config)))
    if run and isinstance(config, RunConfig) and (changed := changes(run.config.replace(origin=None), config)):
        st.markdown(plain(f"Other than the run shown: {changed}."))
    trained_on.draw(corpus)
    if st.button(
        "Train",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        key="train",
        disabled=not isinstance(config, RunConfig),
    ) and isinstance(config, RunConfig):
        run = visitor.start_run(config) or run
    said = visitor.usage().said()
    st.caption(f"Yours: {said['waiting']}, {said['stored']}.")
    if isinstance(config, RunConfig):
        with st.container(key="evidence_finder"):
            finder.draw(config, current_theme())


@st.fragment(run_every=progress.tick(run))
def watch(shown: Run) -> None:
    run, history = progress.look(shown)
    progress.draw_status(run, history)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        buttons.draw(run)
        linear = st.toggle(
            "Linear steps",
            key="linear_steps",
            persist_state="session",
            help="Logarithmic steps show the first updates, where the loss falls fastest, as wide as the rest.",
        )
        whole = st.toggle(
            "From the first loss",
            key="whole_curve",
            persist_state="session",
            help="The loss axis reaches over the first quarter of the chart too, where the loss falls fastest and runs "
            "are alike. A double click on the chart does the same.",
        )
    # Beneath them, where it is while it loads, too: in their row it takes less room before than after.
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
    progress.draw_curve(run, history, log_x=not linear, whole=whole, smoothing=smoothing)
    below = st.grid(2, min_column_width=300, gap="large")  # one below the other where a table would be cut off
    with below.cell():
        progress.draw_samples(run)
    if run.state not in LIVE and run.losses:
        with below.cell():
            results.draw_summary(run)


with result:
    if run:
        heading.draw(run, anchor="this-run")
        above = st.container()  # also where it stays empty: the chart below keeps its place, and its zoom
        if run.state not in LIVE:
            with above, st.container(border=True, key="verdict"):
                found = doctor.examined(run)
                results.draw_verdict(run, found)
                with st.container(horizontal=True):
                    one_thing.draw(run)
                    downloads.draw(run)
                    if form.settings() != settings.values_of(run.config.model, run.config.train, run.config.split):
                        buttons.draw_reuse(run)
                doctor.draw_findings(run, found)
        watch(run)
        if run.state not in LIVE:
            branch.draw(run)
            in_words.draw(run)
    else:
        st.info("No run yet. The settings on the page are the quick preset: press Train and the loss appears here.")
