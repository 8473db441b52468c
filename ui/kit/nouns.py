"""What a page calls symbols: sentences speak of the characters of words; :func:`fit` makes them fit other symbols."""

from __future__ import annotations

import re

import plotly.graph_objects as go

from mmcore.dataset import Vocab
from mmcore.symbols import CHARACTERS, GRAPHEMES, WORDS

NOUNS: dict[str, dict[str, str]] = {
    CHARACTERS: {},
    GRAPHEMES: {"character": "symbol", "letter": "symbol"},
    WORDS: {"character": "word", "letter": "word", "word": "sentence"},
}
_NOUN = re.compile(r"\b(character|letter|word)(?=s?\b)", re.IGNORECASE)


def fit(text: str, tokens: str) -> str:
    """A sentence about characters and words as one about the symbols of a corpus and what they make."""
    nouns = NOUNS[tokens]

    def called(match: re.Match[str]) -> str:
        noun = nouns.get(match[0].lower(), match[0].lower())
        return noun.capitalize() if match[0][0].isupper() else noun

    return _NOUN.sub(called, text) if nouns else text


def fit_around(text: str, vocab: Vocab) -> str:
    """The same for a sentence that names symbols; left as it is where one of them is such a noun itself."""
    named = any(_NOUN.match(symbol) for symbol in vocab.symbols)
    return text if named else fit(text, vocab.tokens)


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
