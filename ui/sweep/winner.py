"""The setting that validation chooses, and its test split, which is opened on purpose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import streamlit as st

from mmcore.paired import Winner, mean_of, winner
from mmcore.store import LIVE, Run
from ui.kit.text import plain
from ui.run import unseal
from ui.sweep.found import Found, count, with_error


def draw(found: Found, runs: Sequence[Run]) -> None:
    """Which setting wins so far, its runs, and its test loss once someone has opened that."""
    won = winner(found.sweep, found.runs)
    seeds = count(len(found.sweep.seeds), "seed")
    if won is None:
        st.info(f"No setting has finished with all of its seeds yet: the winner must have {seeds}.")
        return
    moving = any(run.state in LIVE for run in runs)
    st.markdown(f"**{plain(found.names[won.key])}**")
    st.markdown(chosen_because(won, seeds, moving=moving))
    unsealed: set[str] = st.session_state.setdefault("unsealed", set())
    ids = [run.id for run in won.runs.values()]
    with st.container(horizontal=True, gap="medium"):
        unit = found.fit("Nats per character, mean over")
        st.metric("Validation loss", with_error(won.val), width="content", help=f"{unit} seeds.")
        opened = unsealed.issuperset(ids)
        test = mean_of(test_losses(won.runs.values())) if opened else None
        said = with_error(test) if test else "Sealed"
        st.metric("Test loss", said, width="content", help=f"{unit} the same runs.")
    st.caption(openings(won, runs))
    if not opened and st.button(
        "Open its test split",
        icon=":material/lock_open:",
        disabled=moving,
        key="sweep_open_test",
        help="The sweep must have ended or been stopped: another setting may win yet."
        if moving
        else "Shows the test loss of this setting until you reload, and counts.",
    ):
        unseal.ask(found.names[won.key], ids)


def chosen_because(won: Winner, seeds: str, *, moving: bool) -> str:
    """How it was chosen, and among what."""
    among = f"the {won.complete:,} of {count(won.settings, 'setting')}"
    said = f"Lowest mean validation loss of {among} that have finished with {seeds}"
    return f"{said}, so far." if moving else f"{said}. The test split played no part in the choice."


def openings(won: Winner, runs: Iterable[Run]) -> str:
    """How often the test split was opened: of the winner's runs, and of others of the sweep."""
    own = {run.id for run in won.runs.values()}
    times = max(run.test_openings for run in won.runs.values())
    others = sum(run.test_openings > 0 for run in runs if run.id not in own)
    said = {0: "Its test split was never opened", 1: "Its test split was opened once"}.get(
        times, f"Its test split was opened {times:,} times"
    )
    return f"{said}; that of other runs of the sweep: {f'of {others:,}' if others else 'never'}."


def test_losses(runs: Iterable[Run]) -> list[float]:
    """Of runs whose test split is open."""
    return [run.losses["test_loss"] for run in runs if "test_loss" in run.losses]
