"""What the library's tests share: the bundled names and small corpora."""

from __future__ import annotations

import pytest

from mmcore.config import SplitConfig
from mmcore.corpus import BUNDLED_NAMES, Corpus, read_words
from mmcore.dataset import Dataset, build_dataset


@pytest.fixture(scope="session")
def names() -> Corpus:
    """The bundled names."""
    return read_words(BUNDLED_NAMES)


@pytest.fixture(scope="session")
def dataset(names: Corpus) -> Dataset:
    """The bundled names as the lecture uses them: split seed 42, context size 3."""
    return build_dataset(names, SplitConfig(), 3)


@pytest.fixture(scope="session")
def small(names: Corpus) -> Dataset:
    """400 names: large enough to learn from, small enough to overfit."""
    return build_dataset(names.words[:400], SplitConfig(), 3)
