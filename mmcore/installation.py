"""Where the app's files lie: in a clone beside the library, in an installed package inside it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_INSIDE = Path(__file__).resolve().parent / "app"
INSTALLED = _INSIDE.is_dir()  # the wheel makes this folder, see pyproject.toml
APP_FOLDER = _INSIDE if INSTALLED else _INSIDE.parents[1]
"""Holds ``streamlit_app.py`` and what it uses, and ``data``."""


def user_data_folder() -> Path:
    """Where programs keep this user's data: ``XDG_DATA_HOME``, or what stands for it on this system."""
    chosen = Path(os.environ.get("XDG_DATA_HOME", ""))
    if chosen.is_absolute():  # the XDG specification has any other value ignored
        return chosen
    return Path.home() / ("Library/Application Support" if sys.platform == "darwin" else ".local/share")
