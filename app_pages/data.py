"""What the model learns from: words, characters, contexts, splits."""

import streamlit as st

from mmcore.dataset import show_symbol
from ui import pages, session
from ui.data import adding, contexts, corpora, leakage
from ui.data import corpus as contents
from ui.kit.nouns import fit
from ui.kit.theme import current_theme

theme = current_theme()

st.title(pages.DATA.title, anchor=False)
WHAT = "A corpus is a list of words; the model reads it one character at a time and learns which character comes next. "
said = st.empty()
stored = corpora.stored()
corpus = corpora.choose(stored)
tokens = corpus.tokens
said.markdown(
    fit(WHAT, tokens)
    + "The lecture's `names.txt` is a list of words, and its `.` is the boundary that starts and ends every word."
)
adding.draw()
corpora.draw_deletion(corpus, runs=int(stored.runs.get(corpus.sha256, 0)))
vocab = session.vocab(corpus.sha256)
contents.draw_report(corpus, vocab)

left, right = st.columns(2, gap="large")
with left:
    st.header("Vocabulary", anchor=False)
    st.caption("`stoi` maps a symbol to its id and `itos` an id to its symbol; the boundary is id 0.")
    contents.draw_vocabulary(corpus, vocab)
with right:
    st.header("Lengths", anchor=False)
    st.caption(fit("A word of n characters gives n + 1 examples: one for each character and one for its end.", tokens))
    contents.draw_lengths(corpus, theme)

st.header(fit("Context → next character", tokens), anchor=False)
st.caption(fit("The lecture's sliding window: what the model sees, and what it must predict, for one word.", tokens))
with st.container(key="evidence_window"):
    contexts.draw_window(corpus, vocab)

st.header(fit("Pairs of characters", tokens), anchor=False)
rows = fit("Each row is a character, each column the one after it", tokens)
st.caption(f"{rows}; {show_symbol('')} is the start and the end.")
contexts.draw_pairs(corpus, vocab, theme)

st.header("Splits and leakage", anchor=False)
st.caption(
    fit(
        "Train fits the weights, validation (the lecture's dev) chooses settings, test is looked at once. A word that "
        "occurs twice can land on both sides: it leaks, and the model is then asked for what it was told.",
        tokens,
    )
)
leakage.draw(corpus)
