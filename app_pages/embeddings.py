"""Where training put each character, how it got there, and which characters it takes for alike."""

import streamlit as st

from ui import pages, session, terms
from ui.embeddings import neighbours, pictures, two_runs
from ui.embeddings.table import Table
from ui.kit import symbols
from ui.kit.nouns import fit
from ui.kit.theme import current_theme
from ui.run.picker import trained_run

theme = current_theme()

st.title(pages.EMBEDDINGS.title, anchor=False)
WHAT = (
    "Each character is a row of the embedding table, the lecture's `C`: a point that training moves. "
    "Characters that are followed by much the same characters tend to end up near each other."
)
said = st.empty()
said.markdown(WHAT)
run, artifact = trained_run()
said.markdown(fit(WHAT, artifact.vocab.tokens))
if "C" not in artifact.model.tensors:
    noun = artifact.vocab.noun
    st.info(f"{run.config.model.title} has no embedding table: a {noun} is a row of probabilities, not a point.")
    terms.stop()
# Of a large vocabulary all below is about its most frequent symbols, the places in a list of which are not their ids.
C, vocab, sha256 = artifact.model.tensors["C"].numpy(), artifact.vocab, run.config.corpus_sha256
ids = symbols.shown(session.corpus(sha256), vocab)
table = Table(C[ids], tuple(vocab.symbols[i] for i in ids), ids)
if left := symbols.left_out(ids, vocab):
    st.caption(f"{left} Maps, neighbours and the comparison are among these.")

picture = pictures.choose(table, vocab, sha256)
map_side, detail = st.columns([3, 2], gap="large")
with map_side, st.container(key="evidence_map"):
    pictures.draw(run, artifact, table, picture, theme)
with detail:
    place, metric = neighbours.choose(table, vocab.tokens)
    neighbours.draw(table, place, metric, theme, vocab.noun)
    with st.container(key="evidence_one_hot"):
        neighbours.draw_one_hot_check(C, ids[place])

st.divider()
two_runs.draw(run, artifact, ids, metric, picture.look, theme)
