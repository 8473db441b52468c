"""What a page calls symbols: sentences speak of the characters of words; :func:`fit` makes them fit other symbols."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import plotly.graph_objects as go

from mmcore.dataset import Vocab
from mmcore.fields import Choice, Setting
from mmcore.symbols import CHARACTERS, GRAPHEMES, WORDS

NOUNS: dict[str, dict[str, str]] = {
    CHARACTERS: {},
    GRAPHEMES: {"character": "symbol", "letter": "symbol"},
    WORDS: {"character": "word", "letter": "word", "word": "sentence"},
}
SEVERAL = GRAPHEMES  # whose noun fits every kind of symbol
_HELD = "\u2060"  # in a symbol that is to stay as it is
_NOUN = re.compile(r"\b(character|letter|word)(?=s?\b)", re.IGNORECASE)


def fit(text: str, tokens: str) -> str:
    """A sentence about characters and words as one about the symbols of a corpus and what they make."""
    nouns = NOUNS[tokens]

    def called(match: re.Match[str]) -> str:
        noun = nouns.get(match[0].lower(), match[0].lower())
        return noun.capitalize() if match[0][0].isupper() else noun

    return _NOUN.sub(called, text) if nouns else text


def fit_around(say: Callable[[Vocab], str], vocab: Vocab) -> str:
    """The same for a sentence that names symbols, which stay as they are even where one of them is such a noun."""
    held = tuple(symbol[:1] + _HELD + symbol[1:] if _NOUN.match(symbol) else symbol for symbol in vocab.symbols)
    return fit(say(dataclasses.replace(vocab, symbols=held)), vocab.tokens).replace(_HELD, "")


def fit_settings(settings: Mapping[str, Setting], tokens: str) -> dict[str, Setting]:
    """Settings whose titles, units and sentences are so fitted."""
    return {name: _fit_setting(setting, tokens) for name, setting in settings.items()}


def _fit_setting(setting: Setting, tokens: str) -> Setting:
    said: dict[str, Any] = {name: fit(getattr(setting, name), tokens) for name in ("title", "help", "unit")}
    if isinstance(setting, Choice):
        options = {value: fit(title, tokens) for value, title in setting.options.items()}
        return dataclasses.replace(setting, options=options, **said)
    return dataclasses.replace(setting, **said)


def shared(tokens: Iterable[str]) -> str:
    """What the symbols of several corpora are: the same of all, or what has a noun that fits them all."""
    kinds = set(tokens) or {CHARACTERS}
    return kinds.pop() if len(kinds) == 1 else SEVERAL


def fitted(figure: go.Figure, tokens: str) -> go.Figure:
    """A figure with its title, its axes' titles and what it says of a point so fitted; whole words stand upright."""
    if tokens == CHARACTERS:
        return figure
    for part in (figure.layout, figure.layout.xaxis, figure.layout.yaxis):
        if part.title.text:
            part.title.text = fit(part.title.text, tokens)
    if tokens == WORDS and figure.layout.xaxis.type == "category":
        figure.layout.xaxis.update(tickangle=-90, dtick=1)
    for trace in figure.data:
        if trace.hovertemplate:
            trace.hovertemplate = fit(trace.hovertemplate, tokens)
    return figure
