"""How well a run predicts each split, how sure that is, and what generalises."""

import pandas as pd
import streamlit as st

from mmcore import Examples
from ui import pages, session
from ui.kit.text import nats
from ui.kit.theme import PLOTLY_CONFIG, current_theme
from ui.run import in_words, progress
from ui.run.picker import trained_run
from ui.splits import breakdown, losses, ngram

theme = current_theme()

st.title(pages.SPLITS.title, anchor=False)
st.markdown(
    "A model is judged by its loss on words it was not trained on: the validation split, which the lecture calls dev. "
    "The loss is the lecture's average negative log-likelihood, in nats per character; perplexity is e to its power."
)
run, artifact = trained_run()
dataset = session.run_dataset(run)


@st.cache_data(show_spinner="Measuring …", max_entries=128)
def measured(run_id: str, weights_step: int, title: str, role: str, _examples: Examples) -> dict[str, object]:
    """A split's figures, kept per run and step: resampling the train words takes a second."""
    return losses.measured(artifact.model, title, role, _examples)


# What a visitor opened stays open until a reload, which begins a new session; the store counts the openings.
unsealed: set[str] = st.session_state.setdefault("unsealed", set())
parts = losses.split_parts(dataset, test=run.id in unsealed)
rows = pd.DataFrame([measured(run.id, artifact.step, *part) for part in parts])
known = rows.set_index("title")

with st.grid(3):
    for title in ("Train", "Validation", "Test"):
        with st.container(border=True, height="stretch"):
            if title in known.index:
                row, unseen = known.loc[title], f"{title}, unseen words"
                st.metric(f"{title} loss", nats(row.loss), help="Exact, over every example; nats per character.")
                st.caption(f"95 % interval {nats(row.low)} to {nats(row.high)}")
                st.markdown(f"Perplexity **{nats(row.perplexity, 3)}**  \nBits per character **{nats(row.bits, 3)}**")
                st.markdown(f"Examples **{row.examples:,}**  \nWords **{row.words:,}**")
                if unseen in known.index:
                    share = known.words[unseen] / row.words
                    st.markdown(f"On unseen words **{nats(known.loss[unseen])}**  \n{100 * share:.1f} % of its words")
            else:
                st.metric("Test loss", "Sealed", help="Computed and stored, but shown nowhere until it is opened here.")
                st.caption(
                    "A test figure is only honest while nothing was chosen by it. Open it when all choices are made; "
                    "the run remembers how often that was done."
                )
                if st.button(
                    "Open the test split", icon=":material/lock_open:", help="Shows it until you reload, and counts."
                ):
                    session.store().open_test(run.id)
                    unsealed.add(run.id)
                    st.rerun()
            if title == "Test":
                times = "once" if run.test_openings == 1 else f"{run.test_openings:,} times"
                st.caption(f"Opened {times}." if run.test_openings else "Never opened.")

st.plotly_chart(
    losses.split_losses(rows, ngram.references(run.config), theme),
    theme=None,
    config=PLOTLY_CONFIG,
    key="split_losses",
    alt="Loss of each split with 95 % intervals, and the reference models",
)
st.caption(
    "Arms: 95 % bootstrap interval, resampling words. Dotted lines: validation loss of models that know only the "
    "vocabulary (uniform), how frequent each character is (unigram), which follows which (bigram), and of the best "
    "count model (Kneser-Ney)."
)

st.header("Generalisation gap", anchor=False)
train, val = known.loc["Train"], known.loc["Validation"]
st.metric(
    "Validation − train",
    f"{val.loss - train.loss:+.4f}" if abs(val.loss) < 1e6 else nats(val.loss - train.loss),
    help="Nats per character; the lecture compares the two.",
)
st.markdown(
    "This run learned nothing that could carry over to other words."
    if progress.in_vain(run)
    else losses.gap(train.loss, val.loss, (val.low, val.high))
)
if turn := in_words.turn_sentence(run):
    st.markdown(in_words.plain_bold(turn))

with st.expander("All figures", icon=":material/table:"):
    shown = rows.drop(columns="role").rename(columns={"title": "split", "low": "95 % from", "high": "to"})
    figures = {
        name: st.column_config.NumberColumn(format="%.6f") for name in ("loss", "95 % from", "to", "perplexity", "bits")
    }
    st.dataframe(shown, hide_index=True, column_config=figures, alt="Every figure of this page")

counting = st.expander(
    "Count models", ngram.quick(run.config), icon=":material/tag:", key="counting", on_change="rerun"
)
if counting.open:
    with counting:
        st.markdown(
            "Before networks, language models counted: which character follows the last one, two, … five? Interpolated "
            "Kneser-Ney smoothing is a strong way to do that, and a serious opponent on words this short; of those "
            "that Chen & Goodman (1999) compared, its *modified* form did best."
        )
        counted = ngram.table(run.config.corpus_sha256, run.config.split)
        left, right = st.columns(2, gap="medium")
        with left:
            st.plotly_chart(
                ngram.by_order(counted, val.loss, theme),
                theme=None,
                config=PLOTLY_CONFIG,
                key="count_orders",
                alt="Loss of the count models by order, and of this run",
            )
            figures = {
                name: st.column_config.NumberColumn(format="%.4f") for name in ("train", "validation", "unseen words")
            }
            st.dataframe(ngram.shown(counted), hide_index=True, column_config=figures, alt="Losses of the count models")
        with right:
            order = st.segmented_control(
                "Mix the run with the count model of order",
                ngram.ORDERS,
                default=4,
                required=True,
                key="mix_order",
                help="How many preceding characters it counts.",
            )
            weight = st.slider(
                "Weight of the network",
                0.0,
                1.0,
                0.5,
                0.01,
                key="mix_weight",
                help="The paper averages the two: one half.",
            )
            mixed = ngram.mixture(run.config, artifact.model, dataset.val, order)
            st.plotly_chart(
                ngram.mixture_chart(mixed, weight, theme),
                theme=None,
                config=PLOTLY_CONFIG,
                key="mixture",
                alt="Validation loss of the mixture by weight",
            )
            chosen, best = st.columns(2)
            chosen.metric(f"Validation loss at weight {weight:.2f}", f"{mixed.at(weight):.4f}")
            best.metric(
                f"Best, at weight {mixed.best:.2f}", f"{mixed.at(mixed.best):.4f}", help="The optimum on validation."
            )
            st.caption(ngram.mixture_sentence(mixed))

taken_apart = st.expander("Where the loss comes from", icon=":material/biotech:", key="anatomy", on_change="rerun")
if taken_apart.open:
    with taken_apart:
        breakdown.draw(run.id, artifact.model, artifact.vocab, dataset, theme, test=run.id in unsealed)
