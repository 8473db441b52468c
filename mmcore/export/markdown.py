"""Text as Markdown, and what several documents of a run say alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ..config import said_of
from ..dataset import show_symbol
from ..losses import nats

if TYPE_CHECKING:
    from .figures import Figure
    from .trained import Trained

SHOWN_SYMBOLS = 60


def plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&$])", r"\\\1", " ".join(text.split()))


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table whose cells are Markdown."""
    return [f"| {' | '.join(cells)} |" for cells in (titles, ["---"] * len(titles), *rows)]


def losses(found: Mapping[str, Figure]) -> list[str]:
    """A table of figures."""
    rows = []
    for figure in found.values():
        interval = f"{nats(figure.low)} to {nats(figure.high or 0)}" if figure.low is not None else ""
        rows.append((figure.title, nats(figure.loss), interval, f"{figure.symbols:,}"))
    return table(("Loss", "Nats per symbol", "95 % interval", "Symbols"), rows)


def settings(trained: Trained) -> list[str]:
    """A table of every setting."""
    said = said_of(trained.config).values()
    return table(("Setting", "Value"), [(plain(title), plain(value)) for title, value in said])


def data(trained: Trained) -> list[str]:
    """What it learned from."""
    symbols, splits = trained.artifact.vocab.symbols, trained.dataset.splits
    shown = " ".join(map(show_symbol, symbols[:SHOWN_SYMBOLS])) + (" …" if len(symbols) > SHOWN_SYMBOLS else "")
    rows = [
        ("Corpus", plain(trained.corpus.name)),
        ("SHA-256", trained.config.corpus_sha256),
        (f"{trained.corpus.item.capitalize()}s", f"{len(trained.corpus.words):,}"),
        ("Train, validation, test", ", ".join(f"{len(words):,}" for _, words in splits.items())),
        (f"{len(symbols):,} symbols", plain(shown)),
    ]
    return table(("Data", ""), rows)


def words(drawn: Sequence[str]) -> list[str]:
    """Words as a block of code, each on a line."""
    return [f"    {word}" for word in drawn]
