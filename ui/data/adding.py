"""Adding a corpus of one's own: the text, how it is read, and what that gives, before anything is stored."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from mmcore.corpus import Corpus
from mmcore.dataset import Vocab
from mmcore.gallery import GALLERY, gallery_corpus
from mmcore.reading import LIMITS, MAX_BYTES, Reading
from ui import session, visitor
from ui.data import corpora
from ui.data import corpus as contents
from ui.data.upload import columns, keep, preview
from ui.form import widgets
from ui.kit.text import plain

FIRST = 12  # words shown of a preview
FORM = "reading"
OF_FILES = ("encoding", "delimiter", "header")
ASKED = ("layout", "tokens", "lowercase", "deduplicate")  # before it is known to be a table


@st.fragment
def draw() -> None:
    """A place for a text of one's own, and a preview of the corpus that it would be."""
    added = st.session_state.setdefault("corpora_added", 0)  # new, empty fields after each success
    with st.expander("Add a corpus", icon=":material/add:"):
        said = visitor.usage().said()
        st.caption(f"Yours: {said['corpora']}, {said['stored']}. {LIMITS}")
        _offer_gallery()
        raw, title = _text(added)
        how = _options()
        if raw is None:
            st.button("Preview", help="Nothing is stored by looking.")
            return
        try:
            how, corpus = _read(raw, how)
        except ValueError as error:
            st.error(plain(error), icon=":material/error:")
            return
        _draw_preview(corpus)
        names = corpora.stored().name
        if corpus.sha256 in names.index:
            st.text(f"These {corpus.item}s are stored already, as “{names[corpus.sha256]}”.")
            if st.button("Choose it", type="primary"):
                _go_on_with(corpus.sha256)
        elif st.button("Add corpus", type="primary", icon=":material/add:"):
            _add(corpus, title)


def _offer_gallery() -> None:
    """A button for each list that comes with the app."""
    st.caption("Names in other languages and scripts, one click each, or a text of your own:")
    with st.container(horizontal=True, gap="small"):
        for key, title in GALLERY.items():
            if st.button(title, key=f"gallery_{key}"):
                _add(gallery_corpus(key), title)


def _text(added: int) -> tuple[bytes | None, str]:
    """The bytes that were given, also those of an empty file, and what the corpus will be called."""
    file, paste = st.columns(2, gap="medium")
    limit = MAX_BYTES // 2**20
    upload = file.file_uploader(
        "Text file",
        type=["txt", "csv", "tsv", "md", "text"],
        max_upload_size=limit,
        key=f"corpus_file_{added}",
        help="A list, a table or running text, in any script.",
    )
    name = file.text_input(
        "Name", key=f"corpus_name_{added}", placeholder="my words", help="Left empty, the file's name is taken."
    )
    pasted = paste.text_area(
        "Or paste a text",
        key=f"corpus_text_{added}",
        placeholder="emma\nolivia\nava",
        height=212,
        help="One word a line, rows of a table, or running text.",
    )
    if upload is not None:
        return upload.getvalue(), name or upload.name.rpartition(".")[0]
    return pasted.encode(errors="replace") or None, name or "pasted"


def _options() -> Reading:
    """How it is to be read, as the widgets say."""
    settings = Reading.settings()
    for option, value in Reading().to_dict().items():
        st.session_state.setdefault(f"{FORM}_{option}", value)
    with st.grid(4, min_column_width=150, vertical_alignment="bottom"):
        for option in ASKED:
            widgets.draw(option, settings[option], form=FORM)
    with st.expander("More"), st.grid(4, min_column_width=150, vertical_alignment="bottom"):
        for option, setting in settings.items():
            if setting.more or option in OF_FILES:
                widgets.draw(option, setting, form=FORM)
    return _chosen()


def _chosen() -> Reading:
    values = {option: st.session_state[f"{FORM}_{option}"] for option in Reading.settings()}
    try:
        return Reading(**values)
    except ValueError as error:
        st.error(plain(error), icon=":material/error:")
        return Reading()


def _read(raw: bytes, how: Reading) -> tuple[Reading, Corpus]:
    """The corpus that a text would be, of the column that is chosen where it is a table."""
    names, place = columns(raw, how)
    if len(names) > 1:
        at = st.selectbox(
            "Column",
            range(len(names)),
            place,
            format_func=lambda at: f"{at + 1}: {names[at]}" if names[at] != str(at + 1) else names[at],
            key=f"column_{hash(names)}",
            help=Reading.settings()["column"].help,
        )
        how = how.replace(column=names[at] if names.count(names[at]) == 1 else str(at + 1))
    return how, preview(raw, how)


def _draw_preview(corpus: Corpus) -> None:
    """What the corpus would be: sizes, how it was read, its first words, and what was dropped."""
    report = corpus.report
    st.markdown("**Preview.** Nothing is stored yet.")
    contents.draw_report(corpus, Vocab.of(corpus))
    left, right = st.columns(2, gap="medium")
    with left:
        st.caption(f"The first {min(FIRST, report.kept)} of {report.kept:,} {corpus.item}s")
        st.code("\n".join(corpus.words[:FIRST]), language=None)
    if dropped := {reason: count for reason, count in report.dropped.items() if count}:
        rows = [(reason, count, " · ".join(report.examples.get(reason, []))) for reason, count in dropped.items()]
        table = pd.DataFrame(rows, columns=["reason", f"{corpus.item}s", "for example"])
        with right:
            st.caption("Dropped")
            st.dataframe(table, hide_index=True, alt="What is dropped")


def _add(corpus: Corpus, title: str) -> None:
    try:
        added = keep(session.store(), corpus, title, visitor.identity())
    except ValueError as error:
        st.error(plain(error), icon=":material/error:")
        return
    _go_on_with(added.sha256)


def _go_on_with(sha256: str) -> None:
    """Choose a stored corpus, empty the fields, and begin the page anew."""
    visitor.choose_corpus(sha256)
    st.session_state["corpora_added"] += 1
    st.rerun()
