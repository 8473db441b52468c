"""A visitor's own corpus: from a file or a pasted list into the store."""

from __future__ import annotations

from mmcore import Corpus, RunStore, read_words
from mmcore.fields import require

MAX_UPLOAD_BYTES = 10 * 2**20  # checked here: the browser's limit can be bypassed
MAX_NAME = 80


def add_upload(
    store: RunStore,
    raw: bytes,
    name: str,
    *,
    lowercase: bool = False,
    deduplicate: bool = False,
    owner: str | None = None,
) -> Corpus:
    """Read a corpus and keep it; ``ValueError`` says what is wrong with it, and then nothing is kept."""
    title = " ".join(name.split())
    require(1 <= len(title) <= MAX_NAME and title.isprintable(), "name", f"1 to {MAX_NAME} characters", name)
    require(len(raw) <= MAX_UPLOAD_BYTES, "corpus", f"at most {MAX_UPLOAD_BYTES:,} bytes", len(raw))
    corpus = read_words(raw, name=title, lowercase=lowercase, deduplicate=deduplicate)
    store.add_corpus(corpus, owner)
    return corpus
