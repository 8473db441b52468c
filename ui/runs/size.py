"""How much room the store takes, what for, and what a visitor can give back."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd
import streamlit as st

from mmcore.cost import amount
from mmcore.store import PARTS, RunFilter, StoreSize
from ui import session, visitor

MB = 10**6  # as amounts are said


def draw() -> None:
    """A quiet line with the size, and a button that says what it is made of."""
    store = session.store()
    taken, left = store.file_bytes(), store.room()
    if taken is not None and left is not None:
        st.caption(f"The store takes {amount(taken)}; {amount(left)} are left on the disk.", width="content")
    if st.button("What takes room", icon=":material/database:", type="tertiary", key="store_size"):
        st.dialog("What takes room", width="medium", on_dismiss="rerun")(draw_details)()


def draw_details() -> None:
    """What takes room, the largest runs, and what can be dropped."""
    size = session.store().size()
    shown = {"Share": st.column_config.ProgressColumn(format=" ", width="small", min_value=0, max_value=1)}
    st.dataframe(parts(size), hide_index=True, column_config=shown, alt="What takes room in the store")
    if found := largest():
        st.subheader("Largest runs", anchor=False)
        st.dataframe(pd.DataFrame(found), hide_index=True, alt="The largest runs, with the room that each takes")
    _draw_checkpoints()
    _draw_compacting(size)


def parts(size: StoreSize) -> pd.DataFrame:
    """A row for each part that takes any room, and one for all."""
    rows = [(PARTS[part], amount(count), count / size.total) for part, count in asdict(size).items() if count]
    return pd.DataFrame([*rows, ("In all", amount(size.total), 1.0)], columns=["What", "Size", "Share"])


def largest() -> list[dict[str, str]]:
    """The ten largest runs, the largest first."""
    store = session.store()
    sizes = store.largest()
    runs = {run.id: run for run in store.summaries(RunFilter(ids=list(sizes)))}
    found = [(sizes[run_id], runs[run_id]) for run_id in sizes if run_id in runs]
    return [{"Size": amount(count), "Run": run.name, "Id": run.id} for count, run in found]


def _draw_checkpoints() -> None:
    """Dropping a visitor's own checkpoints, with what that would free."""
    st.subheader("Your checkpoints", anchor=False)
    most = st.number_input(
        "Keep at most (MB a run)",
        min_value=0.0,
        max_value=1_000.0,
        value=1.0,
        step=0.5,
        key="keep_mb",
        help="Of a run's checkpoints along the way: the first, the last and some between stay. With 0, none.",
    )
    limit, own = int(most * MB), [run.id for run in session.store().summaries(RunFilter(owner=visitor.identity()))]
    count, freed = session.store().collect(own, limit=limit, dry_run=True)
    if count:
        st.markdown(f"{amount(freed)} would be free. The last weights, curve and samples of each run stay.")
    else:
        st.markdown("None of your runs has more.")
    label = f"Drop {count:,} {'checkpoint' if count == 1 else 'checkpoints'}"
    st.button(
        label,
        icon=":material/delete_sweep:",
        key="drop_checkpoints",
        disabled=not count,
        on_click=_drop,
        args=(own,),
    )


def _drop(run_ids: list[str]) -> None:
    """What is beyond the limit that is typed when the button is pressed."""
    try:
        session.store().collect(run_ids, limit=int(st.session_state["keep_mb"] * MB))
    except ValueError as problem:  # one was deleted meanwhile
        visitor.refuse(problem)


def _draw_compacting(size: StoreSize) -> None:
    """Rewriting the file without what is free in it, which needs as much room again."""
    left = session.store().room()
    if left is None:
        return
    st.subheader("Free room in the file", anchor=False)
    fits = left > size.total
    if size.free and fits:
        st.markdown(f"Compacting gives {amount(size.free)} back to the disk.")
    elif size.free:
        st.markdown(f"Compacting needs {amount(size.total)} on the disk, and {amount(left)} are left.")
    else:
        st.markdown("There is none: compacting would give nothing back.")
    possible = bool(size.free) and fits
    compact = session.store().compact
    st.button("Compact", icon=":material/compress:", key="compact", disabled=not possible, on_click=compact)
