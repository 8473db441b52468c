"""Playground: every slider trains a model from scratch, in half a second."""

import streamlit as st

from mmcore import embedding, playground
from ui import counting, pages, picture, session, terms, visitor
from ui.form import settings, trained_on
from ui.kit import symbols
from ui.kit.live import live_chart
from ui.kit.nouns import fit, fitted
from ui.kit.text import LOSSES, plain
from ui.kit.theme import PLOTLY_CONFIG, current_theme
from ui.playground import models, sliders
from ui.run import curves, embedding_map
from ui.run.references import references

theme = current_theme()

st.title(pages.PLAYGROUND.title, anchor=False)
st.markdown(
    "Move a slider and the model is trained again from scratch: the loss, the embedding table and the samples "
    "below are those of the new one. Nothing is stored until you keep one; the test split stays sealed."
)
corpus = visitor.current_corpus()
if wrong := sliders.start(st.query_params):
    st.warning(plain(wrong))
numbers = st.container(key="play_numbers")  # on a phone they stay on screen while a slider is moved
numbers.empty()  # without content there would be no container, nor the room that it keeps
controls, result = st.columns([1, 3], gap="large")
with controls:
    asked = sliders.draw_sliders(corpus)
    trained_on.draw(corpus)
    if isinstance(asked, ValueError):
        result.error(plain(asked), icon=":material/error:")
        terms.stop()
    play, problem = models.current(asked)
if problem:
    result.error(plain(problem))
    if play:
        result.caption(plain(f"Below is still the model before: {settings.describe(play.config)}."))
if play is None and not problem:
    terms.stop()
bigram = counting.baselines(corpus.sha256, asked.config.split)["bigram"]
slow = models.too_little(play, asked, bigram) if play and not problem else None
if slow:
    result.info(plain(slow), icon=":material/hourglass_bottom:")
if slow or isinstance(problem, (playground.BudgetTooSmall, playground.TooManySteps)):
    with result.container(horizontal=True):
        if more := models.more_time(problem, asked.budget):
            st.button(
                f"Allow {more:g} s",
                icon=":material/timer:",
                on_click=models.allow,
                args=(more,),
                help="Moves the slider of the time budget.",
            )
        if st.button(
            "Train it as a run",
            icon=":material/model_training:",
            help=f"With the steps of its preset, on the page {pages.TRAIN.title}.",
        ):
            models.train_as_run(asked.config)
if play is None:
    terms.stop()
sliders.write_address(play)
before = st.session_state.get("play_before")


def reopen() -> None:
    """Put the settings of the point clicked on back on the sliders; the model is still there."""
    if found := st.session_state["play_strip"].selection.points:
        sliders.fill(sliders.values_of(models.remembered()[found[0]["customdata"]].config))


with numbers, st.container(horizontal=True, gap="medium", key="play_losses"):
    for name, title in LOSSES.items():
        if name in play.losses:
            delta = models.change(name, play, before)
            st.metric(title, f"{play.losses[name]:.4f}", delta, delta_color="inverse", width="content")
    with st.container(horizontal=True, gap="medium", key="play_sizes"):
        st.metric("Parameters", f"{play.parameters:,}", width="content")
        st.metric("Steps", f"{play.step:,}", width="content", help=f"Trained and measured in {play.seconds:.2f} s.")
with result.container(key="play_result"):
    st.caption(f"{models.difference(play, before)} {fit('Losses in nats per character.', corpus.tokens)}")
    model = session.loaded(play.weights)
    picture.draw(model.model, model.vocab, play.step, key="play_picture", small=True)
    left, right = st.columns(2, gap="medium")
    with left:
        live_chart(
            play.curve if before is None else curves.beside(play.curve, before.curve),
            key="play_curve",
            run_id="playground",
            traces=[*curves.GHOST, *curves.loss_traces(0)],
            title="Loss while training",
            y_title=fit("Loss (nats per character)", corpus.tokens),
            references=references(play.config),
            height=370,
        )
        st.markdown(fit("**Sampled words**", corpus.tokens))
        st.text(", ".join(curves.shown_word(word) for word in play.samples))
    with right:
        ids = symbols.shown(corpus, model.vocab)
        listed = [model.vocab.symbols[i] for i in ids]
        if "C" in model.model.tensors:
            points, axes = embedding.plane(model.model.tensors["C"].numpy()[ids])
            figure = embedding_map.embedding(
                points,
                listed,
                axes,
                title=fit("Characters in the embedding table", corpus.tokens),
                groups=[embedding.character_class(symbol) for symbol in listed],
                theme=theme,
            )
            alt = "Map of the embedding table"
        else:
            alt = fit("Probability of each next character after each character", corpus.tokens)
            figure = fitted(models.following(model, ids, theme), corpus.tokens)
        figure.update_layout(height=420)
        st.plotly_chart(figure, theme=None, config=PLOTLY_CONFIG, key="play_map", alt=alt)
        if said := symbols.left_out(ids, model.vocab):
            st.caption(said)
    st.plotly_chart(
        models.strip(models.remembered(), play, theme),
        theme=None,
        config=PLOTLY_CONFIG,
        key="play_strip",
        on_select=reopen,
        selection_mode="points",
        alt="Validation loss against parameters of the last dozen settings",
    )
    st.caption("Click a point to go back to its settings.")
    if st.button(
        "Keep as run", icon=":material/bookmark_add:", key="play_keep", help="Stores it under Runs, with its weights."
    ):
        try:
            kept = visitor.just_begun(play.config) or playground.keep(session.store(), play, owner=visitor.identity())
        except ValueError as refused:
            st.error(plain(refused), icon=":material/error:")
        else:
            visitor.open_run(kept.id)
            st.success(f"Kept as run {kept.id}, “{plain(kept.name)}”. It opens on every page.", icon=":material/check:")
            pages.TRAIN.link("Open this run", {"run": kept.id}, icon=":material/open_in_new:")
