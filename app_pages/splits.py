"""How well a run predicts each split, how sure that is, and what generalises."""

import streamlit as st

from ui import counting, pages, session
from ui.kit import chart, linked
from ui.kit.nouns import fit
from ui.kit.theme import current_theme
from ui.run import in_words, results
from ui.run.picker import trained_run
from ui.splits import breakdown, losses, ngram

theme = current_theme()

st.title(pages.SPLITS.title, anchor=False)
WHAT = (
    "A model is judged by its loss on words it was not trained on: the validation split, which the lecture calls dev. "
    "The loss is the lecture's average negative log-likelihood, in nats per character; perplexity is e to its power."
)
said = st.empty()
said.markdown(WHAT)
run, artifact = trained_run()
tokens = artifact.vocab.tokens
said.markdown(fit(WHAT, tokens))
dataset = session.run_dataset(run)
# What a visitor opened stays open until a reload, which begins a new session; the store counts the openings.
unsealed: set[str] = st.session_state.setdefault("unsealed", set())
found = losses.measure(run.id, artifact, dataset, test=run.id in unsealed)
rows, train, val = list(found.values()), found["Train"], found["Validation"]

with st.container(key="evidence_splits"):
    losses.draw_cards(run, found, unsealed, artifact.vocab)
    figure = losses.split_losses(rows, ngram.references(run.config), theme)
    about = "Loss of each split with 95 % intervals, and the reference models"
    chart.draw(figure, "split_losses", about, tokens=tokens)
    st.caption(
        fit(
            "Arms: 95 % bootstrap interval, resampling words. Dotted lines: validation loss of models that know only "
            "the vocabulary (uniform), how frequent each character is (unigram), which follows which (bigram), and of "
            "the best count model (Kneser-Ney).",
            tokens,
        )
    )

    st.header("Generalisation gap", anchor=False)
    losses.draw_gap(train, val, tokens, learned=not results.in_vain(run))
    if turn := in_words.turn_sentence(run):
        st.markdown(in_words.plain_bold(turn))
with st.expander("All figures", icon=":material/table:"):
    losses.draw_table(rows)

linked.keep("counting", "counting", counting.quick(run.config.corpus_sha256), linked.flag())
counts = st.expander("Count models", icon=":material/tag:", key="counting", on_change="rerun")
if counts.open:
    with counts:
        st.markdown(
            fit("Before networks, language models counted: which character follows the last one, two, … five? ", tokens)
            + "Interpolated Kneser-Ney smoothing is a strong way to do that; of those that Chen & Goodman (1999) "
            "compared, its *modified* form did best."
        )
        ngram.draw(run.config, artifact, dataset.val, val.loss, theme)

linked.keep("anatomy", "anatomy", False, linked.flag())
taken_apart = st.expander("Where the loss comes from", icon=":material/biotech:", key="anatomy", on_change="rerun")
if taken_apart.open:
    with taken_apart:
        breakdown.draw(run.id, artifact, dataset, theme, test=run.id in unsealed)
