"""Fields whose values are in the page's address: a reload and a link show what was seen.

Values that a field begins with are not in the address. What makes no sense there gives that value, and a note.

The address that a page opens with, and one that Back or Forward leads to, says what fields have. From then on the
fields lead and the address follows: with all that it asks for, a browser sends the address it has at that moment, and
what a page has just written there may still be on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from mmcore.fields import Flag, Line, Real, Whole, require
from ui.kit.text import plain

T = TypeVar("T")
Reader = Callable[[str, str], T]  # name and text -> value; ValueError with name, rule and text
# In the session, of the page drawn last: its name, where notes stand, which fields it has drawn and what it has written
# of them, the rest of its address once it is whole, and by page the addresses that it had then since it was opened.
PAGE, PLACE, DRAWN, WRITTEN, REST, SEEN = (
    f"linked_{what}" for what in ("page", "place", "drawn", "written", "rest", "seen")
)
OBEYED, BACK = "linked_obeyed", "linked_back"  # which fields have obeyed its newest address; whether Back led to it


def begin(page: str) -> None:
    """Before a page is drawn: its notes will stand here."""
    state, back = st.session_state, _goes_back()
    state[PLACE], state[DRAWN], state[REST] = st.container(), set(), None
    if back or state.get(PAGE) != page:
        seen: dict[str, set[str]] = state.setdefault(SEEN, {})
        if not back:
            seen[page] = set()
        state[PAGE], state[OBEYED] = page, set()
        asked = _as_seen(st.query_params.to_dict())
        state[BACK] = back and asked in seen.get(page, ())  # and not to one that was on the way to another


def _goes_back() -> bool:
    """Whether the browser's Back or Forward leads here, which Streamlit tells only its own widgets in public."""
    return getattr(get_script_run_ctx(), "is_history_navigation", False)


def _as_seen(address: Mapping[str, str]) -> str:
    return urlencode(sorted(address.items()))


def end() -> None:
    """After a page is drawn, or as much of it as will be: what its fields have is in the address, and nothing else."""
    state = st.session_state
    fields = state[DRAWN] | state.setdefault(WRITTEN, {}).keys()
    for name in fields - state[DRAWN]:
        del state[WRITTEN][name]
    state[REST] = {name: text for name, text in st.query_params.to_dict().items() if name not in fields}
    _write()


def _write() -> None:
    """Write what the fields have beside the rest of the address: at once, as each time is a step for Back.

    A part of a page that is drawn alone may have been asked for with an older address, and leaves the rest as it was.
    """
    state = st.session_state
    address = state[REST] | {name: text for name, (_, text) in state[WRITTEN].items() if name in state[DRAWN]}
    if address != st.query_params.to_dict():
        st.query_params.from_dict(address)
    state[SEEN].setdefault(state[PAGE], set()).add(_as_seen(address))


def keep(
    name: str,
    key: str,
    default: T,
    read: Reader[T],
    write: Callable[[T], str] | None = None,
    *,
    typed: bool = False,
) -> T:
    """Give a field what a new address says, and the address what the field has, which is returned. Before it is drawn.

    The field's own default is to be what is returned: a browser begins with that, and may answer before it obeys what
    the session says. One that now has another ``key``, as the position in another word, begins anew, and so does one
    whose value it no longer allows; what is ``typed`` is for the page to judge.
    """
    text_of = write or _written
    written: dict[str, tuple[str, str]] = st.session_state.setdefault(WRITTEN, {})
    drawn, obeyed = (st.session_state.setdefault(which, set()) for which in (DRAWN, OBEYED))
    last_key, last = written.get(name, (key, None))
    said = last if name in obeyed else st.query_params.get(name)
    if said is None and last is not None and key == last_key and st.session_state.get(BACK):
        st.session_state.pop(key, None)  # back to before it was chosen
    if said is not None and (name not in obeyed or (key == last_key and key not in st.session_state)):
        try:
            st.session_state[key] = read(name, said)
        except ValueError as error:
            _note(f"In the address, {error}. Using {text_of(st.session_state.get(key, default)) or 'nothing'}.")
    value: T = st.session_state.setdefault(key, default)
    if not typed and not _is_allowed(text_of(value), read):
        value = st.session_state[key] = default
    if value == default:
        written.pop(name, None)
    else:
        written[name] = key, text_of(value)
    drawn.add(name)
    obeyed.add(name)
    if st.session_state.get(REST) is not None:  # a part of a page that is drawn alone
        _write()
    return value


def _is_allowed(text: str, read: Reader[T]) -> bool:
    try:
        read("", text)
    except ValueError:
        return False
    return True


def _note(sentence: str) -> None:
    st.session_state[PLACE].warning(plain(sentence))


def _written(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(int(value) if isinstance(value, bool) else value)


# ---- what may be in an address


def whole(low: int, high: int) -> Reader[int]:
    """A whole number in a closed range."""
    return Whole(title="", help="", low=low, high=high).read


def real(low: float, high: float) -> Reader[float]:
    """A number in a closed range, as Python's ``float``: sliders of such numbers take no other type."""
    setting = Real(title="", help="", low=low, high=high)
    return lambda name, text: float(setting.read(name, text))


def line(most: int) -> Reader[str]:
    """A line of text, which may be empty."""
    return Line(title="", help="", most=most).read


def flag() -> Reader[bool]:
    """Yes or no."""
    return Flag(title="", help="").read


def one_of(options: Collection[str], rule: str = "") -> Reader[str]:
    """One of some words; ``rule`` says so in their place where they are many."""

    def read(name: str, text: str) -> str:
        require(text in options, name, rule or f"one of {', '.join(options)}", text)
        return text

    return read
