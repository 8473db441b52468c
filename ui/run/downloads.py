"""What a run leaves as files: one dialog, drawn from the table of formats."""

from __future__ import annotations

from functools import partial
from itertools import groupby

import streamlit as st

from mmcore import Run
from mmcore.export import FORMATS, Format, file_name
from mmcore.store import RunStore
from ui import session
from ui.run.picker import OFFERED, title


def draw(run: Run) -> None:
    """A button that opens the dialog; nothing for a run without weights."""
    if run.weights_step is not None and st.button("Take home", icon=":material/download:", key="take_home"):
        st.dialog("Take home", width="medium")(draw_formats)(run)


def draw_formats(run: Run) -> None:
    """Every format: what it is, what opens it, and its file, which is made when it is asked for."""
    st.markdown("Files that need nothing of this app. Each is made when you press its button.")
    for group, found in groupby(FORMATS.items(), key=lambda entry: entry[1].group):
        st.subheader(group, anchor=False)
        for key, known in found:
            _draw_format(run, key, known)
    asked = st.expander(
        "Lab report with your question", icon=":material/lab_profile:", key="asked_report", on_change="rerun"
    )
    if asked.open:
        with asked:
            _draw_report(run)
    code = st.expander("Load the weights in plain torch", icon=":material/code:", key="code", on_change="rerun")
    if code.open:
        from mmcore.export.artifact import plain_torch

        between = session.vocab(run.config.corpus_sha256).cutting.between
        code.code(plain_torch(run.config.model, file_name(run.id, FORMATS["weights"]), between), language="python")


def _draw_format(run: Run, key: str, known: Format) -> None:
    missing = known.missing(run.config)
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key=f"format_{key}"
    ):
        st.markdown(f"**{known.title}**  \n{missing or known.use}", width=400)
        st.download_button(
            known.endings[0],
            partial(made, session.store(), run.id, known),
            file_name(run.id, known),
            known.media_type,
            key=f"save_{key}",
            on_click="ignore",
            icon=":material/download:",
            disabled=missing is not None,
            width=200,
        )


def _draw_report(run: Run) -> None:
    """What the run was for, and the run it is compared with; all of it may be left empty."""
    question = st.text_input("Question", key="report_question", max_chars=500, help="What the run was to answer.")
    prediction = st.text_input(
        "Prediction", key="report_prediction", max_chars=500, help="What you expected before it was trained."
    )
    others = {other.id: title(other) for other in _offered(run)}
    against = st.selectbox(
        "Compared with",
        list(others),
        index=None,
        format_func=others.__getitem__,
        key="report_against",
        placeholder="No other run",
        help=f"Settings that differ, and losses beside each other. The last {OFFERED} runs are offered.",
    )
    st.download_button(
        "report.zip",
        partial(reported, session.store(), run.id, question, prediction, against),
        file_name(run.id, FORMATS["report"]),
        FORMATS["report"].media_type,
        key="save_asked_report",
        on_click="ignore",
        icon=":material/download:",
    )


def _offered(run: Run) -> list[Run]:
    """The last other runs that have weights."""
    others = session.store().runs(limit=OFFERED)
    return [other for other in others if other.id != run.id and other.weights_step is not None]


def reported(store: RunStore, run_id: str, question: str, prediction: str, against: str | None) -> bytes:
    """A lab report with its purpose. Called by a download button, as :func:`made` is."""
    from mmcore.export.archive import zipped
    from mmcore.export.report import Purpose, report_files
    from mmcore.take_home import take_home

    other = take_home(store, against) if against else None
    purpose = Purpose(question=question, prediction=prediction, against=other)
    return zipped(report_files(take_home(store, run_id), purpose))


def made(store: RunStore, run_id: str, known: Format) -> bytes:
    """A file. Called by a download button without a script run around it: plain code only."""
    from mmcore.take_home import take_home

    return known.write(take_home(store, run_id))
