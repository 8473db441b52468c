"""Words that a run writes: how to sample them, the words, and how many of them are new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from mmcore.dataset import Splits, Vocab
from mmcore.sample import MAX_LENGTH, Sample, generate, labels
from ui.generate.tree import HOTTEST
from ui.kit import linked
from ui.kit.nouns import fit
from ui.kit.symbols import spelt
from ui.kit.text import csv, plain

if TYPE_CHECKING:
    from mmcore import Artifact

MOST, MOST_SEED = 1_000, 2**31 - 1  # words, and symbols of each
MAX_PREFIX = 1_000  # characters
LABEL_TITLES = {"new": "New", "train": "In train", "val": "In validation", "test": "In test"}


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How words are drawn, as the visitor wants them."""

    count: int
    temperature: float
    top_k: int | None
    prefix: str
    sample_seed: int
    max_length: int


def choose(vocab: Vocab) -> Sampling:
    """The fields that say how to sample."""
    with st.grid("auto", min_column_width=150):
        count = st.number_input(
            fit("Number of words", vocab.tokens),
            1,
            MOST,
            linked.keep("count", "count", 20, linked.whole(1, MOST)),
            key="count",
            persist_state="session",
            help=f"At most {MOST:,}.",
        )
        temperature = st.number_input(
            "Temperature",
            0.0,
            HOTTEST,
            linked.keep("temperature", "temperature", 1.0, linked.real(0, HOTTEST)),
            0.1,
            key="temperature",
            persist_state="session",
            help="Divides the logits. 1 samples the model as it is, lower is safer, 0 always takes the likeliest.",
        )
        top_k = st.number_input(
            "Top-k",
            0,
            vocab.size,
            linked.keep("top_k", "top_k", 0, linked.whole(0, vocab.size)),
            key="top_k",
            persist_state="session",
            help="Draw among the k likeliest only; 0 is off.",
        )
        prefix = st.text_input(
            "Prefix",
            linked.keep("prefix", "prefix", "", spelt(vocab, MAX_PREFIX), typed=True),
            key="prefix",
            max_chars=MAX_PREFIX,
            persist_state="session",
            help=fit("What every word begins with.", vocab.tokens),
        )
        sample_seed = st.number_input(
            "Sample seed",
            0,
            MOST_SEED,
            linked.keep("sample_seed", "sample_seed", 0, linked.whole(0, MOST_SEED)),
            key="sample_seed",
            persist_state="session",
            help=fit("Same seed, same words.", vocab.tokens),
        )
        max_length = st.number_input(
            "Length cap",
            1,
            MOST,
            linked.keep("max_length", "max_length", MAX_LENGTH, linked.whole(1, MOST)),
            key="max_length",
            persist_state="session",
            help=fit("Longer words are cut, and say so.", vocab.tokens),
        )
    return Sampling(
        count=count,
        temperature=temperature,
        top_k=top_k or None,
        prefix=prefix,
        sample_seed=sample_seed,
        max_length=max_length,
    )


def draw(run_id: str, artifact: Artifact, splits: Splits, how: Sampling) -> None:
    """The words, how many of them are new, and both files; why not, where they cannot be drawn."""
    try:
        drawn = generate(
            artifact.model,
            artifact.vocab,
            how.count,
            sample_seed=how.sample_seed,
            temperature=how.temperature,
            top_k=how.top_k,
            prefix=how.prefix,
            max_length=how.max_length,
        )
    except ValueError as error:
        st.error(plain(error), icon=":material/error:")
        return
    words = generated(drawn, labels([sample.word for sample in drawn], splits))
    st.caption(novelty(words))
    st.dataframe(
        words.drop(columns="ended"),
        hide_index=True,
        column_config={"word": st.column_config.TextColumn(artifact.vocab.item, width="medium")},
        height=min(36 * len(words) + 38, 420),
        alt=f"Sampled {artifact.vocab.item}s and where each occurs",
    )
    with st.container(horizontal=True):
        st.download_button(
            fit("Words (.txt)", artifact.vocab.tokens),
            "".join(f"{sample.word}\n" for sample in drawn),
            f"{run_id}-words.txt",
            "text/plain",
            icon=":material/download:",
            on_click="ignore",
            help=f"One {artifact.vocab.item} a line.",
        )
        st.download_button(
            "Table (.csv)",
            csv(words),
            f"{run_id}-words.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            help=fit("Each word with where it was found and whether the model ended it.", artifact.vocab.tokens),
        )


def generated(samples: Sequence[Sample], where: Sequence[str]) -> pd.DataFrame:
    """Columns ``word, found, ended``: each sample with the split it occurs in, or ``New``."""
    found = [LABEL_TITLES[label] for label in where]
    return pd.DataFrame(
        {"word": [sample.word for sample in samples], "found": found, "ended": [sample.ended for sample in samples]}
    )


def novelty(words: pd.DataFrame) -> str:
    """How many of the generated words are new, and how many the length cap has cut."""
    new = int((words["found"] == LABEL_TITLES["new"]).sum())
    cut = int((~words["ended"]).sum())
    sentence = f"{new:,} of {len(words):,} are new: they occur in no split."
    return sentence + (f" {cut:,} reached the length cap before the model ended them." if cut else "")
