"""Other people's text on a page: shown as it is, never as markup."""

from __future__ import annotations

import re

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-!|$:<>~^.&])")


def plain(text: object) -> str:
    """Text for a place that reads markdown (a label, an error box), with everything special escaped."""
    return _MARKUP.sub(r"\\\1", str(text).replace("\n", " "))
