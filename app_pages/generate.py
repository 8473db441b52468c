"""Words from a trained model: many at once, or one character at a time."""

import streamlit as st

from mmcore import generate, labels, next_distribution, show_symbol
from mmcore.sample import MAX_LENGTH
from ui import pages, session
from ui.generate import samples, scoring
from ui.kit import plots, symbols
from ui.kit.text import csv, plain
from ui.kit.theme import PLOTLY_CONFIG, current_theme
from ui.run import in_words
from ui.run.picker import trained_run

theme = current_theme()

st.title(pages.GENERATE.title, anchor=False)
st.markdown(
    "Sampling asks the model for the next character, draws one by its probabilities, and goes on until it draws the "
    "boundary. This is the lecture's loop around `torch.multinomial`, with the context sliding along."
)
run, artifact = trained_run()
model, vocab = artifact.model, artifact.vocab
splits = session.run_dataset(run).splits

with st.grid("auto", min_column_width=150):
    count = st.number_input(
        "Number of words", 1, 1_000, 20, key="count", persist_state="session", help="At most 1,000."
    )
    temperature = st.number_input(
        "Temperature",
        0.0,
        5.0,
        1.0,
        0.1,
        key="temperature",
        persist_state="session",
        help="Divides the logits. 1 samples the model as it is, lower is safer, 0 always takes the likeliest.",
    )
    top_k = st.number_input(
        "Top-k",
        0,
        vocab.size,
        0,
        key="top_k",
        persist_state="session",
        help="Draw among the k likeliest only; 0 is off.",
    )
    prefix = st.text_input("Prefix", key="prefix", persist_state="session", help="What every word begins with.")
    sample_seed = st.number_input(
        "Sample seed", 0, 2**31 - 1, 0, key="sample_seed", persist_state="session", help="Same seed, same words."
    )
    max_length = st.number_input(
        "Length cap",
        1,
        1_000,
        MAX_LENGTH,
        key="max_length",
        persist_state="session",
        help="Longer words are cut, and say so.",
    )
options = {"temperature": temperature, "top_k": top_k or None}

st.header("Words", anchor=False)
try:
    drawn = generate(model, vocab, count, sample_seed=sample_seed, prefix=prefix, max_length=max_length, **options)
except ValueError as error:
    st.error(plain(error), icon=":material/error:")
else:
    words = samples.generated(drawn, labels([sample.word for sample in drawn], splits))
    st.caption(samples.novelty(words))
    st.dataframe(
        words.drop(columns="ended"),
        hide_index=True,
        column_config={"word": st.column_config.TextColumn("word", width="medium"), "found": "found"},
        height=min(36 * len(words) + 38, 420),
        alt="Sampled words and where each occurs",
    )
    with st.container(horizontal=True):
        st.download_button(
            "Words (.txt)",
            "".join(f"{sample.word}\n" for sample in drawn),
            f"{run.id}-words.txt",
            "text/plain",
            icon=":material/download:",
            on_click="ignore",
            help="One word a line.",
        )
        st.download_button(
            "Table (.csv)",
            csv(words),
            f"{run.id}-words.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            help="Each word with where it was found and whether the model ended it.",
        )

st.header("One character at a time", anchor=False)
st.caption("Click a bar to choose the next character, or draw one; temperature and top-k above apply.")
word_key = f"built_{run.id}"
built: list[str] = st.session_state.setdefault(word_key, [])
ended = built[-1:] == [""]
written = "".join(built)
try:
    distribution = next_distribution(model, vocab, written, **options)
except ValueError as error:
    st.error(plain(error), icon=":material/error:")
    st.stop()
step_key = f"next_{run.id}_{len(built)}_{st.session_state.get('built_resets', 0)}"
choice_key = f"choice_{step_key}"


def add(symbol: str) -> None:
    """Put a character, or the boundary, behind the word."""
    st.session_state[word_key] = [*built, symbol]


def chosen() -> None:
    """Add the character in the box as it is now, not as it was when the button was drawn."""
    add(st.session_state[choice_key])


def clicked() -> None:
    """Add the character whose bar was clicked."""
    found = st.session_state[step_key].selection.points
    if found:
        add(vocab.symbols[plots.clicked_id(found[0])])


def draw() -> None:
    """Add a character drawn by the probabilities shown; the sample seed and the draws so far decide."""
    st.session_state["draws"] = draws = st.session_state.get("draws", 0) + 1
    add(distribution.sample(1, weights="probability", random_state=(sample_seed + draws) % 2**32)["symbol"].item())


def begin() -> None:
    """Take the letters typed as the word so far, if the model knows them all."""
    try:
        ids = vocab.encode(vocab.typed(st.session_state["begin"]))
    except ValueError as error:
        st.session_state["begin_error"] = str(error)
        return
    st.session_state.pop("begin_error", None)
    st.session_state[word_key] = [vocab.symbols[i] for i in ids]
    st.session_state["built_resets"] = st.session_state.get("built_resets", 0) + 1


def start_over() -> None:
    """Empty the word; the chart must not remember its click."""
    st.session_state[word_key] = []
    st.session_state["built_resets"] = st.session_state.get("built_resets", 0) + 1


spelled = show_symbol("") + "".join(map(show_symbol, built))
st.markdown("The word so far, from its start:")
st.code(spelled, language=None, wrap_lines=True)
if wrong := st.session_state.pop("begin_error", None):
    st.error(plain(wrong), icon=":material/error:")
with st.container(horizontal=True, vertical_alignment="bottom"):
    st.text_input(
        "Begin with", key="begin", max_chars=100, width=140, on_change=begin, help="Letters to begin the word with."
    )
    likeliest = distribution.sort_values("probability", ascending=False, kind="stable")["symbol"].tolist()
    st.selectbox(
        "Next character",
        likeliest[: symbols.MOST],
        key=choice_key,
        format_func=symbols.symbol_title,
        disabled=ended,
        width=180,
        help="The likeliest first" + (f", and only {symbols.MOST} of them." if len(likeliest) > symbols.MOST else "."),
    )
    st.button("Add", on_click=chosen, disabled=ended, icon=":material/add:", help="Add the chosen character.")
    st.button("Draw one", on_click=draw, disabled=ended, icon=":material/casino:", help="Let the probabilities choose.")
    st.button(
        "Start over", on_click=start_over, disabled=not built, icon=":material/restart_alt:", help="Empty the word."
    )
if ended:
    found = samples.LABEL_TITLES[labels([written], splits)[0]]
    st.success(f"The word is complete: {plain(written) or 'the empty word'} ({found.lower()}).")
else:
    st.markdown(plain(in_words.belief(distribution, written)))
    st.plotly_chart(
        samples.next_characters(distribution, theme),
        theme=None,
        config=PLOTLY_CONFIG,
        key=step_key,
        on_select=clicked,
        selection_mode="points",
        alt="Probability of each next character",
    )

st.header("Score a word", anchor=False)
scored_word = st.text_input(
    "Word to score",
    "emma" if set("emma") <= set(vocab.symbols) else splits.train[0],
    key="scored",
    max_chars=200,
    persist_state="session",
    width=260,
    help="Any word: how likely does the model find it, letter by letter?",
)
scoring.draw_score(run.id, model, vocab, scored_word, session.run_dataset(run).val, theme)

audit = st.expander(
    "Sample audit: new, or learned by heart?", icon=":material/fact_check:", key="audit", on_change="rerun"
)
if audit.open:
    with audit:
        scoring.draw_audit(run.id, artifact, splits, theme)
