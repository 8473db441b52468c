"""The stored corpora: choosing one, adding one, deleting one."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from mmcore.corpus import Corpus
from ui import pages, session, visitor
from ui.data.upload import MAX_UPLOAD_BYTES, add_upload
from ui.kit.text import plain


def stored() -> pd.DataFrame:
    """Columns ``name, words, runs`` of every stored corpus, by its hash."""
    return session.store().corpora().set_index("sha256")


def choose(corpora: pd.DataFrame) -> Corpus:
    """The corpus that the visitor works on, which a box changes."""
    corpus = visitor.current_corpus()
    st.session_state["corpus_choice"] = corpus.sha256
    st.selectbox(
        "Corpus",
        list(corpora.index),
        key="corpus_choice",
        format_func=lambda sha256: f"{corpora.name[sha256]} · {corpora.words[sha256]:,} words",
        on_change=lambda: visitor.choose_corpus(st.session_state["corpus_choice"]),
        help=f"What this page shows and the page {pages.TRAIN.title} trains on.",
    )
    return corpus


def draw_form() -> None:
    """A form for a list of one's own, which becomes the visitor's corpus."""
    key = f"add_corpus_{st.session_state.setdefault('corpora_added', 0)}"  # a new, empty one after each success
    with st.expander("Add a corpus", icon=":material/add:"), st.form(key, border=False):
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
            _add(raw, title, lowercase=lowercase, deduplicate=deduplicate)


def _add(raw: bytes, title: str, *, lowercase: bool, deduplicate: bool) -> None:
    try:
        owner = visitor.identity()
        added = add_upload(session.store(), raw, title, lowercase=lowercase, deduplicate=deduplicate, owner=owner)
    except ValueError as error:
        st.error(plain(error), icon=":material/error:")
        return
    visitor.choose_corpus(added.sha256)
    st.session_state["corpora_added"] += 1
    st.rerun()


def draw_deletion(corpus: Corpus, runs: int) -> None:
    """A button that deletes a corpus without runs; none for the bundled names, which stay."""
    if corpus.sha256 == session.bundled_sha256():
        return
    if st.button(
        "Delete this corpus",
        icon=":material/delete:",
        key="delete_corpus",
        disabled=runs > 0,
        help=f"Delete its {runs:,} {'run' if runs == 1 else 'runs'} first." if runs else None,
    ):
        _confirm_deletion(corpus.sha256, f"{corpus.name}, {len(corpus.words):,} words")


@st.dialog("Delete this corpus?")
def _confirm_deletion(sha256: str, title: str) -> None:
    """Ask before what cannot be undone."""
    st.text(title)
    st.markdown("No run was trained on it. This cannot be undone.")
    with st.container(horizontal=True):
        if st.button("Delete", type="primary", icon=":material/delete:", key="confirm_delete"):
            visitor.delete_corpus(sha256)
            st.rerun()
        if st.button("Keep", key="keep"):
            st.rerun()
