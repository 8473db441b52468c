"""How the characters found their places: the embedding table, the loss and the names, checkpoint by checkpoint."""

import streamlit as st

from mmcore.checkpoint import COUNT
from ui import film, pages, session
from ui.kit import symbols
from ui.run.picker import trained_run

st.title(pages.FILM.title, anchor=False)
st.markdown(
    f"A run keeps its weights at up to {COUNT} steps, close together at first. Played one after the other they show "
    "where training moves the characters, and how the sampled words change."
)
run, artifact = trained_run()
if "C" not in artifact.model.tensors:
    st.info(f"{run.config.model.title} has no embedding table: a character is a row of probabilities, not a point.")
    st.stop()
kept = session.store().checkpoints(run.id)
if len(kept) < 2:
    st.info(
        "Its weights along the way were not kept (it was trained by an older version, or is too large), or have been "
        "dropped since with `runs gc`. Train it again, or choose another run.",
        title="No film of this run",
        icon=":material/info:",
    )
    pages.TRAIN.link()
    st.stop()
ids = symbols.shown(session.corpus(run.config.corpus_sha256), artifact.vocab)
frames = film.develop(run.id, tuple(checkpoint.step for checkpoint in kept), ids, run, artifact, kept)
film.play(frames, tuple(artifact.vocab.symbols[i] for i in ids), key=f"film_{run.id}")
st.caption(f"{film.explanation(frames)} {symbols.left_out(ids, artifact.vocab)}")
