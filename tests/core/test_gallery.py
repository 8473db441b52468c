"""The lists of names in other scripts: as their README says, and ready to train on."""

from __future__ import annotations

import hashlib

import pytest

from mmcore.corpus import BUNDLED_NAMES
from mmcore.gallery import FOLDER, GALLERY, gallery_corpus
from mmcore.reading import check_trainable

README = (BUNDLED_NAMES.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", GALLERY)
def test_a_list_is_what_its_readme_says_and_needs_no_cleaning(key: str) -> None:
    corpus, raw = gallery_corpus(key), (FOLDER / f"{key}.txt").read_bytes()
    check_trainable(corpus)
    report = corpus.report
    [row] = [line.split(" | ") for line in README.splitlines() if line.startswith(f"| {key}.txt ")]
    lengths = f"{min(report.lengths)} to {max(report.lengths)}"
    assert row[3:6] == [f"{report.kept:,}", str(len(report.characters)), lengths]
    assert row[6] == f"`{hashlib.sha256(raw).hexdigest()}` |"
    assert report.cleaned_sentence() == "" and report.dropped == {} and report.duplicates == 0
    assert corpus.name == GALLERY[key]


def test_every_list_that_lies_there_is_offered() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == {*GALLERY, "LICENSE"}
    with pytest.raises(ValueError, match="gallery must be one of arabic, "):
        gallery_corpus("klingon")
