"""Tables as files for a spreadsheet."""

from __future__ import annotations

import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv(table: pd.DataFrame) -> str:
    """A table as a file for a spreadsheet, which must not take other people's text for formulas (OWASP)."""
    written: str = table.apply(_as_text).to_csv(index=False)
    return written


def _as_text(column: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column):
        return column
    return column.map(lambda cell: "'" + cell if isinstance(cell, str) and cell.startswith(_FORMULA) else cell)
