"""What the model learns from: words, characters, contexts, splits."""

import streamlit as st

from mmcore import SplitConfig, Vocab, build_examples, show_symbol, split_words
from ui import pages, session, visitor
from ui.data import plots, tables
from ui.data.upload import MAX_UPLOAD_BYTES, add_upload
from ui.kit import symbols
from ui.kit.text import plain
from ui.kit.theme import PLOTLY_CONFIG, current_theme

COUNT = st.column_config.NumberColumn(format="localized")
MOST_ROWS = 1_000  # of the vocabulary
PERCENT = st.column_config.NumberColumn(format="%.2f %%")
theme = current_theme()

st.title(pages.DATA.title, anchor=False)
st.markdown(
    "A corpus is a list of words; the model reads it one character at a time and learns which character comes next. "
    "The lecture's `names.txt` is such a list, and its `.` is the boundary that starts and ends every word."
)

stored = session.store().corpora().set_index("sha256")
corpus = visitor.current_corpus()
st.session_state["corpus_choice"] = corpus.sha256
st.selectbox(
    "Corpus",
    list(stored.index),
    key="corpus_choice",
    format_func=lambda sha256: f"{stored.name[sha256]} · {stored.words[sha256]:,} words",
    on_change=lambda: visitor.choose_corpus(st.session_state["corpus_choice"]),
    help=f"What this page shows and the page {pages.TRAIN.title} trains on.",
)
form = f"add_corpus_{st.session_state.setdefault('corpora_added', 0)}"  # a new, empty one after each success
with st.expander("Add a corpus", icon=":material/add:"), st.form(form, border=False):
    said = visitor.usage().said()
    st.caption(f"Yours: {said['corpora']}, {said['stored']}.")
    limit = MAX_UPLOAD_BYTES // 2**20
    upload = st.file_uploader(
        "Text file",
        type=["txt", "csv", "tsv"],
        max_upload_size=limit,
        help=f"One word a line, UTF-8, at most {limit} MB.",
    )
    pasted = st.text_area("Or paste a list", placeholder="emma\nolivia\nava", help="One word a line.")
    name = st.text_input("Name", placeholder="my words", help="Left empty, the file's name is taken.")
    lowercase = st.toggle("Lower-case", value=True, help="Makes A and a one character: a smaller vocabulary.")
    deduplicate = st.toggle("De-duplicate", help="Keeps the first of equal words, so none can be in two splits.")
    if st.form_submit_button("Add corpus", type="primary"):
        raw = pasted.encode() if upload is None else upload.getvalue()
        title = name or ("pasted" if upload is None else upload.name.rpartition(".")[0])
        try:
            owner = visitor.visitor()
            added = add_upload(session.store(), raw, title, lowercase=lowercase, deduplicate=deduplicate, owner=owner)
        except ValueError as error:
            st.error(plain(error), icon=":material/error:")
        else:
            visitor.choose_corpus(added.sha256)
            st.session_state["corpora_added"] += 1
            st.rerun()


@st.dialog("Delete this corpus?")
def confirm_delete(sha256: str, title: str) -> None:
    """Ask before what cannot be undone."""
    st.text(title)
    st.markdown("No run was trained on it. This cannot be undone.")
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", icon=":material/delete:", key="confirm_delete"):
            visitor.delete_corpus(sha256)
            st.rerun()
        if st.button("Keep", key="keep"):
            st.rerun()


if corpus.sha256 != session.bundled_sha256():
    runs = int(stored.runs.get(corpus.sha256, 0))
    if st.button(
        "Delete this corpus",
        icon=":material/delete:",
        key="delete_corpus",
        disabled=runs > 0,
        help=f"Delete its {runs:,} {'run' if runs == 1 else 'runs'} first." if runs else None,
    ):
        confirm_delete(corpus.sha256, f"{corpus.name}, {len(corpus.words):,} words")

report, vocab = corpus.report, Vocab.from_words(corpus.words)
with st.grid(4, min_column_width=140):
    st.metric("Words", f"{report.kept:,}", help="Lines of the corpus that are not blank.")
    st.metric("Distinct words", f"{len(set(corpus.words)):,}", help="Words, each counted once.")
    st.metric(
        "Vocabulary", f"{vocab.size:,}", help="Distinct characters, and the boundary; the lecture's names have 27."
    )
    st.metric("Longest word", f"{max(report.lengths):,}", help="In characters.")
st.caption(tables.reading(report))

left, right = st.columns(2, gap="large")
with left:
    st.header("Vocabulary", anchor=False)
    st.caption("`stoi` maps a symbol to its id and `itos` an id to its symbol; the boundary is id 0.")
    columns = {
        "id": "id (stoi)",
        "symbol": "symbol (itos)",
        "count": st.column_config.NumberColumn("times", format="localized"),
        "share": PERCENT,
    }
    ids = symbols.shown(corpus, vocab, MOST_ROWS)
    listed = tables.vocabulary(corpus, vocab, ids)
    st.dataframe(listed, hide_index=True, column_config=columns, height=350, alt="Vocabulary with ids")
    st.caption(symbols.left_out(ids, vocab))
with right:
    st.header("Lengths", anchor=False)
    st.caption("A word of n characters gives n + 1 examples: one for each character and one for its end.")
    lengths = plots.word_lengths(report.lengths, theme)
    lengths.update_layout(height=350)
    st.plotly_chart(lengths, theme=None, config=PLOTLY_CONFIG, key="lengths", alt="Words by length")

st.header("Context → next character", anchor=False)
st.caption("The lecture's sliding window: what the model sees, and what it must predict, for one word.")
with st.container(horizontal=True, vertical_alignment="bottom"):
    word = st.text_input(
        "Word", corpus.words[0], key=f"word_{corpus.sha256}", help="Any word in the corpus's characters."
    )
    context_size = st.number_input(
        "Context size", 1, 64, 3, key="context_size", persist_state="session", help="The lecture's block_size."
    )
try:
    rows = tables.context_rows(vocab.typed(word), vocab, context_size)
except ValueError as error:
    st.error(plain(error), icon=":material/error:")
else:
    columns = {"context": "context", "next": "next character", "context_ids": "context ids", "next_id": "next id"}
    st.dataframe(rows, hide_index=True, column_config=columns, alt=f"{len(rows)} examples")

st.header("Pairs of characters", anchor=False)
st.caption(f"Each row is a character, each column the one after it; {show_symbol('')} is the start and the end.")


@st.cache_data(show_spinner=False, max_entries=8)
def pairs(sha256: str) -> object:
    """Next-character counts after one character."""
    words = session.corpus(sha256).words
    return build_examples(words, Vocab.from_words(words), 1).counts


counts = pairs(corpus.sha256)
st.plotly_chart(
    plots.bigram_heatmap(counts, vocab.symbols, theme),
    theme=None,
    config=PLOTLY_CONFIG,
    key="bigrams",
    alt="Bigram counts",
)
if vocab.size > plots.MAX_HEATMAP_SYMBOLS:
    st.caption(f"The {plots.MAX_HEATMAP_SYMBOLS} most frequent of {vocab.size:,} symbols.")

st.header("Splits and leakage", anchor=False)
st.caption(
    "Train fits the weights, validation (the lecture's dev) chooses settings, test is looked at once. A word that "
    "occurs twice can land on both sides: it leaks, and the model is then asked for what it was told."
)
with st.container(horizontal=True, vertical_alignment="bottom"):
    split_seed = st.number_input(
        "Split seed", 0, 2**53 - 1, 42, help="Another seed, another shuffle. The lecture's is 42."
    )
    train = st.number_input("Train fraction", 0.01, 0.98, 0.8, 0.05, help="Share of the words that fit the weights.")
    val = st.number_input("Validation fraction", 0.01, 0.98, 0.1, 0.05, help="Test gets what the two leave.")
    unique = st.toggle("De-duplicate before splitting", help="Each distinct word once: nothing can leak.")
try:
    split = SplitConfig(split_seed=split_seed, train_fraction=train, val_fraction=val, deduplicate=unique)
    splits = split_words(corpus.words, split)
except ValueError as error:
    st.error(plain(error), icon=":material/error:")
    st.stop()
left, right = st.columns(2, gap="large")
left.dataframe(
    tables.split_sizes(splits),
    hide_index=True,
    column_config={"words": COUNT, "examples": COUNT, "share": PERCENT},
    alt="Words and examples of each split",
)
leaks = tables.leaks(splits)
right.dataframe(
    leaks,
    hide_index=True,
    column_config={
        "words": COUNT,
        "in_train": st.column_config.NumberColumn("also in train", format="localized"),
        "share": PERCENT,
    },
    alt="Words that leak from train",
)
st.markdown(tables.leakage_sentence(leaks))
