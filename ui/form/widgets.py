"""One setting as one widget, whatever it is a setting of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from mmcore.fields import Choice, Flag, Line, Real, Setting, Sizes


def draw(name: str, setting: Setting, options: Sequence[str] | None = None, form: str = "form") -> None:
    """The widget of a form's field, with the key ``<form>_<name>``; its value is in the session state.

    Parameters
    ----------
    options : of a choice, where not all of them make sense here
    form : which form, where a page has another one beside the settings of a run
    """
    keyed: dict[str, Any] = {"key": f"{form}_{name}", "help": setting.help, "persist_state": "session"}
    if isinstance(setting, Choice):
        st.selectbox(setting.title, options or list(setting.options), format_func=setting.said, **keyed)
    elif isinstance(setting, Flag):
        st.checkbox(setting.title, **keyed)
    elif isinstance(setting, Line):
        st.text_input(setting.title, max_chars=setting.most, **keyed)
    elif isinstance(setting, Sizes):
        st.text_input(setting.title, live=True, placeholder="none", **keyed)
    elif isinstance(setting, Real):
        st.number_input(setting.title, step=setting.step, format="%g", **keyed)
    else:
        st.number_input(setting.title, step=1, **keyed)


def slider(name: str, setting: Setting, stops: Sequence[Any]) -> Any:
    """The widget of one of Playground's settings, with the key ``play_<name>``; the value chosen."""
    keyed: dict[str, Any] = {"key": f"play_{name}", "help": setting.help, "persist_state": "session"}
    if isinstance(setting, Flag):
        return st.checkbox(setting.title, **keyed)
    if isinstance(setting, Choice):
        return st.selectbox(setting.title, stops, format_func=setting.said, **keyed)
    title = setting.title.removesuffix(" (per layer)")
    return st.select_slider(title, stops, format_func=lambda stop: f"{stop:g}", **keyed)
