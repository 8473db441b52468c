"""What a run would have otherwise than another, in a sentence."""

from __future__ import annotations

from mmcore.config import NONE, RunConfig, said_of

MOST = 6  # settings that a sentence names


def changes(before: RunConfig, after: RunConfig) -> str:
    """In which settings the second differs; empty where it is the same run again."""
    old, new = said_of(before), said_of(after)
    names = [key for key in dict.fromkeys([*new, *old]) if _said(old, key) != _said(new, key)]
    if len(names) > MOST and before.model.architecture != after.model.architecture:
        return f"{before.model.title} → {after.model.title}, and {len(names) - 1} more settings"
    parts = [f"{_title(old, new, key)} {_said(old, key)} → {_said(new, key)}" for key in names[:MOST]]
    more = len(names) - MOST
    return ", ".join(parts) + (f", and {more} more" if more > 0 else "")


def _said(said: dict[str, tuple[str, str]], key: str) -> str:
    return said[key][1] if key in said else NONE


def _title(old: dict[str, tuple[str, str]], new: dict[str, tuple[str, str]], key: str) -> str:
    title = (new.get(key) or old[key])[0]
    return title[0].lower() + title[1:]
