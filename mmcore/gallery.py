"""Lists of names in several languages and scripts that come with the app; data/README.md says where from."""

from __future__ import annotations

from .corpus import Corpus
from .fields import choice
from .installation import APP_FOLDER
from .reading import Reading, read_corpus

GALLERY = {
    "arabic": "Arabic names",
    "bulgarian": "Bulgarian names",
    "greek": "Greek names",
    "hebrew": "Hebrew names",
    "icelandic": "Icelandic names",
    "tamil": "Tamil names",
}
FOLDER = APP_FOLDER / "data" / "gallery"


def gallery_corpus(key: str) -> Corpus:
    """One of these lists; ``ValueError`` for another key."""
    choice("gallery", key, GALLERY)
    return read_corpus(FOLDER / f"{key}.txt", Reading(layout="list"), GALLERY[key])
