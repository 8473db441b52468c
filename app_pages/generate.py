"""Words from a trained model: many at once, or one character at a time."""

import streamlit as st

from mmcore.symbols import CHARACTERS
from ui import pages, session
from ui.generate import audit, next_character, samples, scoring, tree
from ui.kit import linked
from ui.kit.nouns import fit
from ui.kit.symbols import spelt
from ui.kit.theme import current_theme
from ui.run.picker import trained_run

MAX_SCORED = 1_000  # characters typed
theme = current_theme()

st.title(pages.GENERATE.title, anchor=False)
WHAT = (
    "Sampling asks the model for the next character, draws one by its probabilities, and goes on until it draws the "
    "boundary. This is the lecture's loop around `torch.multinomial`, with the context sliding along."
)
said = st.empty()
said.markdown(WHAT)
run, artifact = trained_run()
tokens = artifact.vocab.tokens
said.markdown(fit(WHAT, tokens))
dataset = session.run_dataset(run)
splits = dataset.splits

st.header("Probability tree", anchor=False)
above = tree.place(artifact)
st.header(fit("Many words", tokens), anchor=False)
st.caption("Prefix, temperature and top-k are those of the tree.")
how = samples.choose(artifact.vocab)
samples.draw(run.id, artifact, splits, how)
with above:
    tree.draw(run, artifact, how)

st.header(fit("One character at a time", tokens), anchor=False)
st.caption(fit("From the prefix on: click a bar to choose the next character, or draw one.", tokens))
next_character.draw(run.id, artifact, splits, how, theme)

st.header(fit("Score a word", tokens), anchor=False)
known = "emma" if artifact.vocab.spells("emma") else splits.train[0]
scored_word = st.text_input(
    fit("Word to score", tokens),
    linked.keep("scored", "scored", known, spelt(artifact.vocab, MAX_SCORED), typed=True),
    key="scored",
    max_chars=MAX_SCORED,
    persist_state="session",
    width=260 if tokens == CHARACTERS else 560,
    help=fit("Any word: how likely does the model find it, letter by letter?", tokens),
)
scoring.draw(run.id, artifact, scored_word, dataset.val, theme)

linked.keep("audit", "audit", False, linked.flag())
opened = st.expander("Sample audit: new, or memorised?", icon=":material/fact_check:", key="audit", on_change="rerun")
if opened.open:
    with opened:
        audit.draw(run.id, artifact, splits, theme)
