"""What a symbol is: characters, graphemes or words, from the text to the exported files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mmcore import (
    RunConfig,
    RunStore,
    SplitConfig,
    TrainConfig,
    Vocab,
    build_dataset,
    build_examples,
    generate,
)
from mmcore.architectures import model_config
from mmcore.breakdown import Breakdown
from mmcore.corpus import Corpus
from mmcore.embedding import positions
from mmcore.export import FORMATS
from mmcore.export.artifact import load, plain_torch
from mmcore.jobs import run_inline
from mmcore.reading import Reading, read_corpus
from mmcore.sample import next_distribution
from mmcore.scoring import character_distribution, length_distribution, nearest_word, score_word
from mmcore.symbols import GRAPHEMES, TOKENS, UNKNOWN, WORDS
from tests.databases import Databases
from tests.exported import trained

TEXTS = Path(__file__).parent / "texts"
SMALL = model_config(context_size=3, embedding_dim=3, hidden_sizes=(12,))
READINGS = {
    "emoji": ("emoji.txt", Reading(tokens=GRAPHEMES)),
    "hindi": ("hindi.txt", Reading(tokens=GRAPHEMES)),
    "story": ("story.txt", Reading(tokens=WORDS, min_count=2)),
}


@pytest.fixture(params=READINGS)
def corpus(request: pytest.FixtureRequest) -> Corpus:
    file, how = READINGS[request.param]
    return read_corpus(TEXTS / file, how)


def test_graphemes_keep_whole_what_joiners_and_marks_join() -> None:
    emoji = read_corpus(TEXTS / "emoji.txt", Reading(tokens=GRAPHEMES))
    assert {"🏳️‍🌈", "🇮🇳", "❤️", "1️⃣"} <= set(emoji.report.characters)
    assert not {"\u200d", "\ufe0f"} & set(emoji.report.characters)
    hindi = read_corpus(TEXTS / "hindi.txt", Reading(tokens=GRAPHEMES))
    assert Vocab.of(hindi).encode("नदी") == [Vocab.of(hindi).stoi[symbol] for symbol in ("न", "दी")]
    assert hindi.report.read_as == "Read as UTF-8: one word a line, cut into graphemes."
    plain = read_corpus(TEXTS / "hindi.txt")
    assert plain.words == hindi.words and plain.sha256 != hindi.sha256


def test_words_of_running_text_become_sentences_with_rare_words_as_unknown() -> None:
    raw = "The cat sat. The DOG sat!\nThe cat’s nap; a cat sat, <unk> too."
    found = read_corpus(raw.encode(), Reading(tokens=WORDS, min_count=2))
    unknown = "the cat sat", "the <unk> sat", "the <unk> <unk> <unk> cat sat <unk> <unk>"
    assert found.words == unknown
    assert found.report.replaced == 5 and "read 5 rare words as <unk>" in found.report.cleaned_sentence()
    assert found.report.read_as == "Read as UTF-8: the sentences of running text, cut into words."
    vocab = Vocab.of(found)
    assert vocab.symbols == ("", UNKNOWN, "cat", "sat", "the")
    assert vocab.encode(vocab.typed("THE zebra,  sat!")) == [4, 1, 3] and vocab.decode([4, 1, 3, 0]) == "the <unk> sat"
    with pytest.raises(ValueError, match="layout must be sentences, a list or a table where words are the symbols"):
        Reading(tokens=WORDS, layout="words")


def test_a_word_that_is_not_known_is_named_where_nothing_stands_for_it() -> None:
    vocab = Vocab.of(read_corpus(b"a b\nb a\nc", Reading(tokens=WORDS, layout="list")))
    with pytest.raises(ValueError, match=r"words must be in the vocabulary \(a b c\), got zebra in 'a zebra'"):
        vocab.encode("a zebra")


def test_examples_are_those_of_the_window_written_out(corpus: Corpus) -> None:
    vocab = Vocab.of(corpus)
    rows = []
    for word in corpus.words:
        ids = [vocab.stoi[symbol] for symbol in TOKENS[corpus.tokens].cut(word)]
        padded = [0, 0, 0, *ids, 0]
        rows += [(padded[at : at + 3], padded[at + 3]) for at in range(len(ids) + 1)]
    found = build_examples(corpus.words, vocab, 3)
    assert list(zip(found.contexts.tolist(), found.targets.tolist(), strict=True)) == rows
    lengths = [len(TOKENS[corpus.tokens].cut(word)) for word in corpus.words]
    assert max(Breakdown.of(trained(SMALL, corpus).artifact.model, found).lengths) == max(lengths)
    assert positions(corpus.words, vocab)["count"].sum() == len(rows)


def test_a_model_samples_scores_and_leaves_as_files(corpus: Corpus, tmp_path: Path) -> None:
    made = trained(SMALL, corpus, max_steps=60)
    artifact, vocab = made.artifact, Vocab.of(corpus)
    assert load(artifact.to_bytes()).vocab == vocab
    words = [sample.word for sample in generate(artifact.model, vocab, 30, prefix=corpus.words[0])]
    assert all(word.startswith(corpus.words[0]) for word in words)
    score = score_word(artifact.model, vocab, corpus.words[0])
    assert score["symbol"].tolist() == [*TOKENS[corpus.tokens].cut(corpus.words[0]), ""]
    assert next_distribution(artifact.model, vocab, corpus.words[0])["probability"].sum() == pytest.approx(1)
    assert nearest_word(corpus.words[0], corpus.words, corpus.tokens) == (corpus.words[0], 0)
    assert length_distribution(words, corpus.words, corpus.tokens)["corpus"].sum() == pytest.approx(1)
    assert character_distribution(words, corpus.words, vocab)["corpus"].sum() == pytest.approx(1)
    for key, known in FORMATS.items():
        assert known.missing(made.config) or all(known.files(made).values()), key
    (tmp_path / "model.safetensors").write_bytes(artifact.to_bytes())
    code = plain_torch(SMALL, str(tmp_path / "model.safetensors"), vocab.cutting.between)
    said = subprocess.run([sys.executable, "-X", "utf8", "-c", code], capture_output=True, check=True, timeout=120)
    assert vocab.spells(said.stdout.decode().rstrip("\n"))


def test_the_plain_script_trains_the_same_run_on_words(tmp_path: Path) -> None:
    made = trained(SMALL, read_corpus(TEXTS / "story.txt", Reading(tokens=WORDS, min_count=2)), max_steps=60)
    for name, content in FORMATS["script"].files(made).items():
        (tmp_path / name).write_bytes(content)
    run = [sys.executable, "-X", "utf8", "makemore.py"]
    said = subprocess.run(run, cwd=tmp_path, capture_output=True, check=True, text=True, encoding="utf-8", timeout=300)
    found = re.search(r"^train ([\d.]+), dev ([\d.]+)", said.stdout, re.MULTILINE)
    known = [made.artifact.losses[name] for name in ("train_loss", "val_loss")]
    assert found and [float(loss) for loss in found.groups()] == pytest.approx(known, abs=2e-4)
    assert made.artifact.vocab.spells(said.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("tokens", "vocab", "sentence"),
    [
        ("words", ["", "two words"], "vocab must be a list of words"),
        ("graphemes", ["", "ab"], "vocab must be a list of graphemes"),
        ("bytes", ["", "a"], "tokens must be one of characters, graphemes, words, got 'bytes'"),
        (None, ["", "ab"], "tokens must be one of"),
    ],
)
def test_a_file_with_other_symbols_than_it_says_is_refused(tokens: object, vocab: list[str], sentence: str) -> None:
    whole = trained(SMALL, ["ab", "ba", "b", "a", "aa", "bb", "abb", "aab", "bba", "baa"]).artifact.to_bytes()
    size = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + size])
    header["__metadata__"] |= {"tokens": json.dumps(tokens), "vocab": json.dumps(vocab)}
    changed = json.dumps(header).encode()
    with pytest.raises(ValueError, match=sentence):
        load(len(changed).to_bytes(8, "little") + changed + whole[8 + size :])


def test_a_store_keeps_what_symbols_are_and_hands_it_on(corpus: Corpus, database: Databases, tmp_path: Path) -> None:
    store = RunStore(database("one"))
    config = RunConfig(corpus_sha256=store.add_corpus(corpus), model=SMALL, train=TrainConfig(max_steps=10))
    run = run_inline(store, store.create(config, token="tests").id, token="tests")
    assert store.corpus(corpus.sha256).tokens == corpus.tokens
    weights = store.weights(run.id)
    assert weights is not None and load(weights).vocab == Vocab.of(corpus)
    store.export_runs([run.id], tmp_path / "runs.sqlite")
    other = RunStore(database("two"))
    assert list(other.import_runs(tmp_path / "runs.sqlite").imported) == [run.id]
    assert other.corpus(corpus.sha256) == replace(corpus, report=other.corpus(corpus.sha256).report)
    assert other.corpus(corpus.sha256).report.characters == corpus.report.characters
    assert build_dataset(other.corpus(corpus.sha256), SplitConfig(), 3).vocab == Vocab.of(corpus)
