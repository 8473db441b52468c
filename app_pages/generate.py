"""Words from a trained model: many at once, or one character at a time."""

import streamlit as st

from ui import pages, session
from ui.generate import audit, next_character, samples, scoring, tree
from ui.kit.theme import current_theme
from ui.run.picker import trained_run

theme = current_theme()

st.title(pages.GENERATE.title, anchor=False)
st.markdown(
    "Sampling asks the model for the next character, draws one by its probabilities, and goes on until it draws the "
    "boundary. This is the lecture's loop around `torch.multinomial`, with the context sliding along."
)
run, artifact = trained_run()
dataset = session.run_dataset(run)
splits = dataset.splits

st.header("Probability tree", anchor=False)
above = tree.place(artifact)
st.header("Many words", anchor=False)
st.caption("Prefix, temperature and top-k are those of the tree.")
how = samples.choose(artifact.vocab)
samples.draw(run.id, artifact, splits, how)
with above:
    tree.draw(run, artifact, how)

st.header("One character at a time", anchor=False)
st.caption("From the prefix on: click a bar to choose the next character, or draw one.")
next_character.draw(run.id, artifact, splits, how, theme)

st.header("Score a word", anchor=False)
scored_word = st.text_input(
    "Word to score",
    "emma" if set("emma") <= set(artifact.vocab.symbols) else splits.train[0],
    key="scored",
    max_chars=200,
    persist_state="session",
    width=260,
    help="Any word: how likely does the model find it, letter by letter?",
)
scoring.draw(run.id, artifact, scored_word, dataset.val, theme)

opened = st.expander("Sample audit: new, or memorised?", icon=":material/fact_check:", key="audit", on_change="rerun")
if opened.open:
    with opened:
        audit.draw(run.id, artifact, splits, theme)
