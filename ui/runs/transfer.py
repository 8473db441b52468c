"""Runs as one file, from this store and into it."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from mmcore.cost import MAX_HEADER_BYTES, amount
from mmcore.fields import require
from mmcore.store import ImportReport, Run, RunFilter, RunStore
from ui import session, visitor
from ui.kit.text import plain

MAX_MB = 100  # of 2**20 bytes, of a file here; on the command line it may be larger
SUFFIX, WEIGHTS = ".sqlite", ".safetensors"


def draw(current: Run | None = None, which: RunFilter | None = None) -> None:
    """Buttons that export the run that is shown, or all that the list is of, and that import a file."""
    if current is not None and st.button("Export", icon=":material/download:", type="tertiary", key="export_runs"):
        st.dialog("Export runs")(draw_export)(current, which or RunFilter())
    if st.button("Import runs", icon=":material/upload:", type="tertiary", key="import_runs"):
        _forget_report()
        st.dialog("Import runs", on_dismiss="rerun")(draw_import)()


# ---- out


def draw_export(current: Run, which: RunFilter) -> None:
    """Two files to choose from."""
    st.markdown(
        "One file with settings, notes, tags, curve, samples, weights, checkpoints and the corpus, to import into "
        "another store. Who made the runs stays here."
    )
    listed = [run.id for run in session.store().summaries(which)]
    sizes = session.store().stored({*listed, current.id})
    _draw_download("This run", [current.id], sizes[current.id], f"makemore-{current.id}", "export_one")
    if len(listed) > 1:
        count = f"All {len(listed):,} runs of the list"
        _draw_download(count, listed, sum(sizes[run_id] for run_id in listed), "makemore-runs", "export_all")


def _draw_download(what: str, run_ids: list[str], size: int, name: str, key: str) -> None:
    too_large = size > MAX_MB * 2**20
    st.download_button(
        f"{what} ({amount(size)} in the store)",
        partial(packed, session.store(), run_ids),
        f"{name}{SUFFIX}",
        "application/vnd.sqlite3",
        key=key,
        on_click="ignore",
        icon=":material/download:",
        disabled=too_large,
        width="stretch",
        help=f"More than {MAX_MB} MB: `python -m mmcore runs pack` writes such a file." if too_large else None,
    )


def packed(store: RunStore, run_ids: list[str]) -> bytes:
    """The file. Called without a script run around it; a run that was deleted meanwhile is left out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"runs{SUFFIX}"
        store.export_runs([run.id for run in store.summaries(RunFilter(ids=run_ids))], path)
        return path.read_bytes()


# ---- in


def draw_import() -> None:
    """A file from the visitor's disk, and what became of its runs."""
    st.markdown(
        "A file that Export made: its runs become yours; those that are here already are left out. Or the weights of "
        f"one run, a {WEIGHTS} file: its words must be on Data, and its losses are computed anew."
    )
    upload = st.file_uploader(
        "File of runs",
        type=[SUFFIX[1:], WEIGHTS[1:]],
        max_upload_size=MAX_MB,
        key="runs_file",
        help=f"At most {MAX_MB} MB, of weights {MAX_HEADER_BYTES // 2**20} MB before the numbers. Larger ones: "
        "`python -m mmcore runs unpack` and `runs add`.",
        on_change=_forget_report,
    )
    pressed = st.button("Import", type="primary", icon=":material/upload:", key="do_import", disabled=upload is None)
    if pressed and upload is not None:
        try:
            with st.spinner("Checking each run …"):
                read = added if upload.name.lower().endswith(WEIGHTS) else unpacked
                report = read(session.store(), upload.getvalue(), visitor.identity())
        except ValueError as error:
            _forget_report()
            st.error(plain(error), icon=":material/error:")
        else:
            st.session_state["import_report"] = report
    if "import_report" in st.session_state:
        _draw_report(st.session_state["import_report"])


def _forget_report() -> None:
    st.session_state.pop("import_report", None)


def unpacked(store: RunStore, content: bytes, owner: str) -> ImportReport:
    """Keep the runs of an uploaded file; ``ValueError`` if it is none."""
    require(len(content) <= MAX_MB * 2**20, "file", f"at most {MAX_MB} MB", amount(len(content)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"runs{SUFFIX}"
        path.write_bytes(content)
        return store.import_runs(path, owner)


def added(store: RunStore, content: bytes, owner: str) -> ImportReport:
    """Keep an uploaded weights file as a run; ``ValueError`` with what does not fit."""
    from mmcore.take_in import take_in

    require(len(content) <= MAX_MB * 2**20, "file", f"at most {MAX_MB} MB", amount(len(content)))
    run = take_in(store, content, owner=owner)
    return ImportReport(imported={run.id: run.id})


def _draw_report(report: ImportReport) -> None:
    count = len(report.imported)
    total = count + len(report.skipped)
    said = f"Imported {count:,} of {total:,} {'run' if total == 1 else 'runs'}."
    (st.success if count else st.warning)(said, icon=":material/check:" if count else ":material/block:")
    new_ids = [new for old, new in report.imported.items() if new != old]
    if new_ids:
        st.markdown(plain(f"New id, because another run here has theirs: {', '.join(new_ids)}."))
    if report.skipped:
        table = pd.DataFrame(list(report.skipped.items()), columns=["Left out", "Why"])
        st.dataframe(table, hide_index=True, row_height=60, alt="Runs that were not imported, and why")
    if count and st.button("Show", type="primary", key="show_imported"):
        visitor.open_run(list(report.imported.values())[-1])
        st.rerun()
