"""Text as every database keeps it, so that a store takes and gives the same whichever it is in."""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

_UNKEPT = re.compile("[\0\ud800-\udfff]")  # PostgreSQL has no NUL in text, and UTF-8 no half of a surrogate pair


class _Kept(sa.TypeDecorator[str]):
    """What not every database keeps becomes U+FFFD, in what is looked for too: it is then no other text by chance."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else _UNKEPT.sub("\ufffd", value)


class Text(_Kept):
    """Of any length."""

    impl = sa.Text
    cache_ok = True


class Line(_Kept):
    """Of at most so many characters, which PostgreSQL checks and SQLite does not: who writes it looks first."""

    impl = sa.String
    cache_ok = True
