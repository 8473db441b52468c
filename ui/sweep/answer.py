"""Is A better than B? The paired difference of two settings, in sentences."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from mmcore.paired import FEWEST_PAIRS, ROUGH, Difference, Key, coverage, paired_difference, without_loss
from ui.kit.text import nats
from ui.sweep.found import Found, count


def draw(found: Found, sweep_id: str) -> None:
    """Choose two settings; how they differ, and the losses behind it."""
    keys = list(found.runs)
    lowest = [keys.index(key) for key in list(found.means)[:2]]
    if len(lowest) < 2:
        st.info("Once two settings have finished runs, they can be compared here.")
        return
    places = st.columns(2)
    chosen = []
    for letter, first, place in zip("AB", lowest, places, strict=False):
        at = place.selectbox(
            letter,
            range(len(keys)),
            index=first,
            format_func=lambda i: found.names[keys[i]],
            key=f"sweep_{letter}_{sweep_id}",
            help="A setting of the sweep. At first: A has the lowest mean validation loss, B the next.",
        )
        chosen.append(keys[at])
    a, b = chosen
    if a == b:
        st.info("Choose two different settings.")
        return
    difference = paired_difference(found.losses[a], found.losses[b])
    for sentence in sentences(found, a, b, difference):
        st.markdown(found.fit(sentence))
    if difference.pairs:
        table = pd.DataFrame({"A": found.losses[a], "B": found.losses[b]}).dropna().rename_axis("Seed").reset_index()
        table["A − B"] = table["A"] - table["B"]
        columns = {name: st.column_config.NumberColumn(format="%.4f") for name in ("A", "B")}
        columns["A − B"] = st.column_config.NumberColumn(format="%+.4f")
        st.dataframe(table, hide_index=True, column_config=columns, alt="Validation loss of A and B with each seed")


def sentences(found: Found, a: Key, b: Key, difference: Difference) -> list[str]:
    """What the difference says, in markdown: the answer first, then how far to trust it."""
    said = [answer(difference)]
    if difference.pairs >= FEWEST_PAIRS and coverage(difference.pairs) < ROUGH:
        share = 100 * coverage(difference.pairs)
        said.append(
            f"The interval is rough with so few seeds: in simulations, intervals of {difference.pairs} pairs held the "
            f"true difference in about {share:.0f} % of cases, not in 95 %. More seeds make it better."
        )
    for letter, key in (("A", a), ("B", b)):
        if failed := without_loss(found.runs[key]):
            said.append(
                f"{letter} failed or diverged with seed {', '.join(map(str, failed))}. The comparison leaves that out."
            )
    lowest = next(iter(found.means), None)
    if difference.pairs and lowest in (a, b) and len(found.means) > 2:
        said.append(
            f"{'A' if lowest == a else 'B'} has the lowest mean of {len(found.means)} settings. The lowest of many is "
            "partly luck; seeds that were not used to choose it give a fairer comparison."
        )
    return said


def answer(difference: Difference) -> str:
    """Direction, size, interval and number of pairs in one sentence, and what they do not show."""
    pairs = count(difference.pairs, "pair")
    if not difference.pairs:
        return "No seed has finished with both settings yet, so there is nothing to compare."
    size = nats(abs(difference.mean))
    lower, higher = ("A", "B") if difference.mean <= 0 else ("B", "A")
    if difference.pairs < FEWEST_PAIRS:
        measured = f"The validation loss of {lower} is lower than that of {higher} by {size} nats per character"
        return (
            f"{measured} (mean of {pairs}). That is too few for an interval: add seeds until both settings have at "
            f"least {FEWEST_PAIRS} in common."
        )
    ends = sorted((abs(difference.low), abs(difference.high)))
    if difference.undecided:
        ends = [-difference.high, -difference.low] if lower == "A" else [difference.low, difference.high]
    between = f"95 % bootstrap interval {nats(ends[0])} to {nats(ends[1])}, {pairs}"
    if difference.undecided:
        return (
            f"**These seeds do not show which is better.** The validation loss of {lower} is lower than that of "
            f"{higher} by {size} nats per character ({between}), and the interval includes 0."
        )
    return (
        f"**{lower} is better than {higher}.** Its validation loss is lower by {size} nats per character ({between})."
    )
