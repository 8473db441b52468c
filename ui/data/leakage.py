"""How a corpus would be split, and which words would leak from train."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from mmcore.config import SplitConfig
from mmcore.corpus import Corpus
from mmcore.dataset import Splits, leakage, split_words
from mmcore.symbols import CHARACTERS, TOKENS
from ui import pages
from ui.kit.nouns import fit
from ui.kit.text import plain

SPLIT_TITLES = {"train": "Train", "val": "Validation", "test": "Test"}
COUNT = st.column_config.NumberColumn(format="localized")
SHARE = st.column_config.NumberColumn(format="percent")


def draw(corpus: Corpus) -> None:
    """The sizes of the splits that the visitor asks for, and what leaks; why not, where they cannot be made."""
    tokens, items = corpus.tokens, st.column_config.NumberColumn(f"{corpus.item}s", format="localized")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        split_seed = st.number_input(
            "Split seed", 0, 2**53 - 1, 42, help="Another seed, another shuffle. The lecture's is 42."
        )
        train = st.number_input(
            "Train fraction", 0.01, 0.98, 0.8, 0.05, help=fit("Share of the words that fit the weights.", tokens)
        )
        val = st.number_input("Validation fraction", 0.01, 0.98, 0.1, 0.05, help="Test gets what the two leave.")
        unique = st.toggle(
            "De-duplicate before splitting", help=fit("Each distinct word once: nothing can leak.", tokens)
        )
    try:
        split = SplitConfig(split_seed=split_seed, train_fraction=train, val_fraction=val, deduplicate=unique)
        splits = split_words(corpus.words, split)
    except ValueError as error:
        st.error(plain(error), icon=":material/error:")
        return
    left, right = st.columns(2, gap="large")
    left.dataframe(
        split_sizes(splits, tokens),
        hide_index=True,
        column_config={
            "words": items,
            "examples": COUNT,
            "share": SHARE,
        },
        alt=fit("Words and examples of each split", tokens),
    )
    found = leaks(splits)
    right.dataframe(
        found,
        hide_index=True,
        column_config={
            "words": items,
            "in_train": st.column_config.NumberColumn("also in train", format="localized"),
            "share": SHARE,
        },
        alt=fit("Words that leak from train", tokens),
    )
    st.markdown(fit(leakage_sentence(found), tokens))


def split_sizes(splits: Splits, tokens: str = CHARACTERS) -> pd.DataFrame:
    """Columns ``split, words, share, examples``; a word of n symbols is n + 1 examples."""
    total = sum(len(words) for _, words in splits.items())
    rows = []
    for name, words in splits.items():
        examples = sum(map(TOKENS[tokens].count, words)) + len(words)
        rows.append(
            {"split": SPLIT_TITLES[name], "words": len(words), "share": len(words) / total, "examples": examples}
        )
    return pd.DataFrame(rows)


def leaks(splits: Splits) -> pd.DataFrame:
    """The leakage report with the splits named as on screen."""
    report = leakage(splits)
    return report.assign(split=report["split"].map(SPLIT_TITLES))


def leakage_sentence(report: pd.DataFrame) -> str:
    """What the leakage report (columns ``in_train, share``, validation first) means for the losses."""
    if not report["in_train"].any():
        return "No validation or test word occurs in train: both losses are on words the model has never seen."
    val, test = (f"{100 * share:.1f} %" for share in report["share"])
    return (
        f"{val} of the validation words and {test} of the test words are also in train, so both losses are a little "
        f"too good. The page {pages.SPLITS.title} shows the loss on unseen words beside each; de-duplicating removes "
        "the leak itself."
    )
