"""A table as text (CSV, TSV): what separates its cells, whether it has a header, one column of it."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .fields import cut, quoted, require

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
MAX_LINE = 100_000  # characters of a row
MAX_COLUMNS = 1_000
_LOOKED_AT = 200  # lines that a delimiter is found by
_MOST = 0.8  # of them, that must have as many cells as one another


@dataclass(frozen=True)
class TableText:
    """A table that was read from text; every row has as many cells as ``columns``."""

    delimiter: str  # one of :data:`DELIMITERS`
    header: bool  # whether the first row was one
    columns: tuple[str, ...]  # the header's names, or "1", "2", …
    rows: list[list[str]]
    lines: list[int]  # the line on which each row ends

    def place(self, column: str) -> int:
        """Which column a name or a number from 1 means; without one the first that holds no numbers."""
        if not column:
            words = [at for at in range(len(self.columns)) if not _numbers(self.rows, at)]
            return words[0] if words else 0
        if column in self.columns:
            return self.columns.index(column)
        known = ", ".join(cut(name, 30) for name in self.columns[:20])
        number = int(column) if column.isdecimal() and len(column) < 6 else 0
        require(1 <= number <= len(self.columns), "column", f"one of {known}, or its number", column)
        return number - 1


def find_delimiter(lines: Sequence[str]) -> str | None:
    """What separates the cells of what looks like a table, one of :data:`DELIMITERS`; None for what does not.

    Most lines must have as many cells as one another. A space after every mark is prose ("Paris, France"), and so
    is a single mark in a single line.
    """
    filled = [line for line in lines if line.strip()][:_LOOKED_AT]
    for name, mark in DELIMITERS.items():
        if sum(mark in line.strip() for line in filled) >= max(1, _MOST * len(filled)) and _is_table(filled, mark):
            return name
    return None


def _is_table(lines: Sequence[str], mark: str) -> bool:
    try:
        rows = list(csv.reader(lines, delimiter=mark))
    except csv.Error:
        return False
    width, rows_of_it = Counter(map(len, rows)).most_common(1)[0]
    spaced = mark in ",;" and any(cell[:1] == " " for row in rows for cell in row[1:])
    alike = rows_of_it >= _MOST * len(rows) and rows_of_it > len(rows) / 2
    return width > 1 and alike and not spaced and (len(rows) > 1 or width > 2)


def read_table(lines: Sequence[str], delimiter: str, header: bool | None = None) -> TableText:
    """Some lines as a table, with a header or without, or as it looks (None).

    Raises
    ------
    ValueError
        Names the line of a row with more or fewer cells than the first, or that is no CSV.
    """
    rows, ends = _rows(lines, delimiter)
    require(bool(rows), "table", "one with at least one row", f"none in {len(lines):,} lines")
    width = len(rows[0])
    require(width <= MAX_COLUMNS, "table", f"one with at most {MAX_COLUMNS:,} columns", width)
    for row, line in zip(rows, ends, strict=True):
        if len(row) != width:
            first = f"{width:,} {'cell' if width == 1 else 'cells'} as its first row"
            raise ValueError(f"table line {line:,} must have {first}, got {len(row):,}: {quoted(row)}")
    headed = _has_header(rows) if header is None else header
    names = [" ".join(name.split()) for name in rows[0]] if headed else []
    columns = tuple(name or str(at) for at, name in enumerate(names or [""] * width, start=1))
    return TableText(delimiter, headed, columns, rows[headed:], ends[headed:])


def _rows(lines: Sequence[str], delimiter: str) -> tuple[list[list[str]], list[int]]:
    rows, ends = [], []
    for number, line in enumerate(lines, start=1):
        if len(line) > MAX_LINE:
            raise ValueError(f"table line {number:,} must have at most {MAX_LINE:,} characters, got {len(line):,}")
    reader = csv.reader((line + "\n" for line in lines), delimiter=DELIMITERS[delimiter])
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append([" ".join(cell.split()) for cell in row])
                ends.append(reader.line_num)
    except csv.Error as error:
        raise ValueError(f"table line {reader.line_num:,} must be CSV, got {cut(str(error))}") from None
    return rows, ends


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether some column holds numbers in all rows but the first."""
    if len(rows) < 2:
        return False
    return any(_numbers(rows[1:], at) and not _is_number(rows[0][at]) for at in range(len(rows[0])))


def _numbers(rows: Sequence[Sequence[str]], at: int) -> bool:
    cells = [row[at] for row in rows if row[at]]
    return bool(cells) and all(map(_is_number, cells))


def _is_number(cell: str) -> bool:
    digits = cell.translate(dict.fromkeys(map(ord, ".,-+ %€$"), None))
    return digits.isdecimal()
