"""The command line: what it prints where, exit codes, the store it shares with the app, Ctrl-C."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
import torch
from typer.testing import CliRunner

import mmcore.cli
from mmcore.architectures import ARCHITECTURES, model_config
from mmcore.config import RunConfig, SplitConfig
from mmcore.corpus import BUNDLED_NAMES, Corpus, corpus_from_words
from mmcore.cost import amount
from mmcore.dataset import build_dataset, build_examples, split_words
from mmcore.evaluation import evaluate, evaluate_splits
from mmcore.export.artifact import load
from mmcore.losses import nats
from mmcore.presets import PRESETS, preset_for
from mmcore.sample import generate
from mmcore.store import RunFilter, RunState, RunStore, StoreUnavailable
from mmcore.training import Step
from tests.databases import SERVER, Databases, of_files
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
TEXTS = Path(__file__).parent / "texts"
FAST = ("--max-steps", "20", "--hidden-size", "16", "--embedding-dim", "4")


class Result:
    """How a command ended, and what it said where."""

    def __init__(self, *arguments: str, typed: str = "") -> None:
        result = CliRunner().invoke(mmcore.cli.app, list(arguments), input=typed)
        unexpected = result.exception and not isinstance(result.exception, SystemExit)
        assert not unexpected, result.exception
        self.code, self.out, self.err = result.exit_code, result.stdout, result.stderr

    @property
    def values(self) -> Any:
        """The one JSON object on stdout."""
        assert self.code == 0, self.err
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def store(database: Databases, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """A store of the test's own, which the command line finds as a user's would be."""
    monkeypatch.setenv("MMCORE_STORE", database("store"))
    monkeypatch.setenv("COLUMNS", "120")
    return RunStore()


@pytest.fixture
def words(tmp_path: Path, names: Corpus) -> Path:
    """A file of 300 names."""
    path = tmp_path / "words.txt"
    path.write_text("".join(word + "\n" for word in names.words[:300]), encoding="utf-8")
    return path


@pytest.fixture
def model(words: Path, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    assert Result("train", *FAST, "--data", str(words), "--out", str(path)).code == 0
    return path


# ---- train


def test_train_prints_one_object_and_keeps_the_run(words: Path, tmp_path: Path, store: RunStore) -> None:
    out = tmp_path / "model.safetensors"
    result = Result("train", *FAST, "--data", str(words), "--seed", "3", "--name", "mine", "--out", str(out), "--json")
    values = result.values
    artifact, run = load(out), store.latest()
    assert run is not None
    dataset = build_dataset(store.corpus(run.config.corpus_sha256), SplitConfig(), 3)
    losses = evaluate_splits(artifact.model, dataset, test=False)
    assert {name: values[name] for name in losses} == losses == run.losses
    assert (values["run"], values["name"], values["state"], values["error"]) == (run.id, "mine", "finished", None)
    assert (values["steps"], values["max_steps"], values["out"]) == (20, 20, str(out))
    assert values["parameters"] == artifact.config.model.parameters(dataset.vocab.size) == artifact.model.flat.numel()
    assert values["splits"] == {name: len(getattr(dataset, name)) for name in ("train", "val", "test")}
    assert 0 < values["seconds"] < 60
    assert run.config.train.seed == 3
    assert len(store.history(run.id)) >= 2
    kept = load(store.weights(run.id) or b"")
    assert artifact.model.flat.equal(kept.model.flat) and artifact.config == kept.config == run.config
    assert artifact.cleaning == kept.cleaning == store.corpus(run.config.corpus_sha256).report.cleaning
    assert artifact.trained_on([*dataset.splits.train, ""]) == len(dataset.splits.train)
    assert "test_loss" not in result.out + result.err
    assert "20/20" in result.err, "the progress bar"


def test_train_without_json_is_for_people(words: Path) -> None:
    result = Result("train", *FAST, "--data", str(words))
    assert result.code == 0
    for part in ("val loss", "parameters", "finished", "examples", "seconds"):
        assert part in result.out
    assert "test loss" not in result.out


PEOPLE = [
    "Surado",
    "Romon",
    "Lizisun",
    "Lugavon",
    "Nikos",
    "Mevin",
    "Mugolas",
    "Kirin",
    "Rigon",
    "Kulu",
    "Kuge",
    "Kizo",
]


def written(path: Path, lines: list[str]) -> str:
    path.write_bytes("".join(line + "\n" for line in lines).encode())
    return str(path)


def test_b2_train_says_words_vocabulary_and_what_was_cleaned(tmp_path: Path, store: RunStore) -> None:
    data = written(tmp_path / "bom.txt", [("\ufeff" if word == "Mugolas" else "") + word for word in PEOPLE])
    result = Result("train", *FAST, "--data", data, "--json")
    assert (result.values["words"], result.values["vocab_size"], result.values["lowercase"]) == (12, 16, True)
    said = "Cleaned: took out U+FEFF (zero width no-break space) once, in line 7; lower-cased 12 words."
    assert result.err.splitlines()[0] == said
    run = store.latest()
    assert run is not None
    assert store.corpus(run.config.corpus_sha256).report.cleaned_sentence() == said
    capitals = Result("train", *FAST, "--data", data, "--no-lowercase", "--json")
    assert (capitals.values["vocab_size"], capitals.values["lowercase"]) == (22, False)  # and K L M N R S
    people = Result("train", *FAST, "--data", data)
    assert re.search(r"^words +12 *$", people.out, re.MULTILINE)
    assert re.search(r"^vocab size +16 *$", people.out, re.MULTILINE)
    assert re.search(r"^lowercase +yes *$", people.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["name,count", *(f"{word},{at}" for at, word in enumerate(PEOPLE))], "commas, column “name” (1 of 2)."),
        ([f"{word}\t{at}" for at, word in enumerate(PEOPLE)], "tabs, column 1 of 2, without a header."),
    ],
)
def test_b2_a_table_is_read_and_its_column_said(tmp_path: Path, store: RunStore, lines: list[str], said: str) -> None:
    data = written(tmp_path / "table.txt", lines)
    result = Result("train", *FAST, "--data", data, "--json")
    assert (result.values["words"], result.values["vocab_size"]) == (12, 16)
    assert result.err.splitlines()[0] == f"Read as UTF-8: a table with cells that end at {said}"
    refused = Result("train", *FAST, "--data", data, "--column", "surname")
    assert (refused.code, refused.out, len(store.runs())) == (2, "", 1)
    assert "column must be one of" in refused.err


def test_a_text_is_looked_at_then_stored_then_trained_on(tmp_path: Path, store: RunStore) -> None:
    file = tmp_path / "rivers.csv"
    rivers = ["Rh\xf4ne", "Loire", "Is\xe8re", "Loire", "Lot", "Oise", "Tarn", "Aube", "Cher", "Eure", "Indre", "Yonne"]
    file.write_bytes("\n".join(f"{len(river)};{river}" for river in rivers).encode("latin-1"))
    options = ("--deduplicate", "--min-length", "4", "--name", "rivers")
    seen = Result("corpora", "add", str(file), *options, "--dry-run")
    assert len(store.corpora()) == 0 and seen.err.endswith("Nothing is stored.\n")
    assert seen.err.splitlines()[:3] == [
        "Read as Latin-1 (a guess, because it is not UTF-8: line 1 has byte 0xf4): "
        "a table with cells that end at semicolons, column 2 of 2, without a header.",
        "Dropped 1 too short (lot); 1 duplicate (loire).",
        "Cleaned: lower-cased 12 words.",
    ]
    sha256 = Result("corpora", "add", str(file), *options).out.strip()
    assert store.corpora()["name"].tolist() == ["rivers"] and len(store.corpus(sha256).words) == 10
    assert Result("train", *FAST, "--corpus", sha256[:8], "--json").values["words"] == 10
    assert "data must be left out" in Result("train", *FAST, "--corpus", sha256, "--column", "2").err
    assert "first digits" in Result("train", *FAST, "--corpus", "nothing").err
    assert "got a zip archive" in Result("corpora", "add", written(tmp_path / "a.txt", ["PK\x03\x04"])).err


def test_running_text_is_stored_trained_on_and_sampled_by_words(tmp_path: Path, store: RunStore) -> None:
    story, file = str(TEXTS / "story.txt"), str(tmp_path / "story.safetensors")
    added = Result("corpora", "add", story, "--tokens", "words", "--min-count", "2")
    assert "32 sentences, 32 different; 34 different words." in added.err
    assert "Cleaned: lower-cased 32 sentences; read 2 rare words as <unk>." in added.err
    trained = Result("train", *FAST, "--corpus", added.out.strip()[:8], "--out", file, "--json").values
    assert (trained["vocab_size"], trained["words"]) == (35, 32)
    drawn = Result("sample", file, "-n", "5", "--prefix", "The  FOX, zebra").out.splitlines()
    assert len(drawn) == 5 and all(line.startswith("the fox <unk>") for line in drawn)
    losses = Result("evaluate", file, "--data", story, "--json").values
    assert losses["same_corpus"] and losses["val_loss"] == pytest.approx(trained["val_loss"], abs=1e-5)


def test_names_of_the_gallery_are_shown_and_stored(store: RunStore) -> None:
    assert "icelandic" in Result("corpora", "gallery").out and len(store.corpora()) == 0
    sha256 = Result("corpora", "gallery", "hebrew").out.strip()
    assert store.corpora()["name"].tolist() == ["Hebrew names"] and len(store.corpus(sha256).words) == 593
    assert "gallery must be one of arabic" in Result("corpora", "gallery", "klingon").err


def test_b2_a_prefix_is_cleaned_as_the_corpus_was(tmp_path: Path) -> None:
    lines, out = [f"{word}e\u0301" for word in ("zo", "ren", "lor", "mil")] * 5, tmp_path / "m.safetensors"
    made = Result("train", *FAST, "--data", written(tmp_path / "nfd.txt", lines), "--out", str(out), "--json")
    assert made.values["vocab_size"] == 10
    composed = Result("sample", str(out), "-n", "5", "--prefix", "zo\u00e9")
    assert composed.code == 0 and all(word.startswith("zo\u00e9") for word in composed.out.split())
    for typed in ("zoe\u0301", "ZO\u00c9", "zo\u200b\u00e9"):
        result = Result("sample", str(out), "-n", "5", "--prefix", typed)
        assert result.out == composed.out
        assert result.err == "The prefix is read as 'zo\u00e9', cleaned as the model's words were.\n"
    assert composed.err == ""


def test_b2_hebrew_words_keep_every_letter(tmp_path: Path) -> None:
    letters = [chr(0x5D0 + i) for i in range(22)]
    lines = [letters[i % 22] + letters[(i + 1) % 22] + letters[(7 * i) % 22] for i in range(30)]
    values = Result("train", *FAST, "--data", written(tmp_path / "rtl.txt", lines), "--json").values
    assert (values["words"], values["vocab_size"]) == (30, 23)


def test_options_override_the_preset(words: Path, store: RunStore) -> None:
    options = ["--preset", "lecture", "--context-size", "2", "--hidden-size", "8", "--hidden-size", "6,4"]
    options += ["--direct", "--dropout", "0.1", "--activation", "relu", "--init", "scaled", "--learning-rate", "0.05"]
    options += ["--batch-size", "16", "--optimizer", "adamw", "--schedule", "constant", "--weight-decay", "0.01"]
    options += ["--sampler", "contexts", "--patience", "2", "--check-every", "10", "--split-seed", "5", "--seed", "0"]
    options += ["--deduplicate", "--max-steps", "15", "--embedding-dim", "3", "--val-fraction", "0.15", "--json"]
    options += ["--train-fraction", "0.7", "--decay-rate", "0.5", "--threads", "1"]
    values = Result("train", "--data", str(words), *options).values
    config = store.run(values["run"]).config
    lecture = PRESETS["lecture"]
    model = {"context_size": 2, "embedding_dim": 3, "hidden_sizes": (8, 6, 4), "direct": True, "dropout": 0.1}
    training = {"max_steps": 15, "batch_size": 16, "optimizer": "adamw", "schedule": "constant", "seed": 0}
    training |= {"learning_rate": 0.05, "weight_decay": 0.01, "sampler": "contexts", "patience": 2, "check_every": 10}
    split = SplitConfig(split_seed=5, deduplicate=True, train_fraction=0.7, val_fraction=0.15)
    assert config == RunConfig(
        corpus_sha256=config.corpus_sha256,
        split=split,
        model=lecture.model.replace(activation="relu", init="scaled", **model),
        train=lecture.train.replace(decay_rate=0.5, **training),
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_taken_whole(words: Path, store: RunStore, preset: str) -> None:
    values = Result("train", "--data", str(words), "--preset", preset, "--max-steps", "5", "--json").values
    config = store.run(values["run"]).config
    assert config.model == PRESETS[preset].model
    assert config.train == PRESETS[preset].train.replace(max_steps=5)


def test_no_hidden_layer_and_a_switch_turned_off(words: Path, store: RunStore) -> None:
    values = Result("train", *FAST[:2], "--data", str(words), "--hidden-size", "none", "--direct", "--json").values
    assert store.run(values["run"]).config.model.hidden_sizes == ()
    values = Result("train", *FAST, "--data", str(words), "--no-direct", "--no-deduplicate", "--json").values
    assert store.run(values["run"]).config.model.direct is False


def test_the_same_seed_gives_the_same_weights(words: Path, tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.safetensors" for i in range(3)]
    for path, seed in zip(paths, ("1", "1", "2"), strict=True):
        assert Result("train", *FAST, "--data", str(words), "--seed", seed, "--out", str(path)).code == 0
    first, again, other = (load(path).model.flat for path in paths)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_state_dict_is_written_for_pt(words: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.pt"
    assert Result("train", *FAST, "--data", str(words), "--out", str(out)).code == 0
    assert set(torch.load(out, weights_only=True)) == {"C", "W1", "b1", "W2", "b2"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--context-size", "0"], "context_size must be a whole number from 1 to 64, got 0"),
        (["--learning-rate", "nan"], "learning_rate must be a number above 0 and at most 1000, got nan"),
        (
            ["--preset", "none"],
            "preset must be one of quick, blink, best, lecture, lecture-first, seed-notes, bigram, ",
        ),
        (["--optimizer", "adam"], "optimizer must be one of sgd, adamw, got 'adam'"),
        (["--hidden-size", "12,x"], "hidden_size must be whole numbers as in 200,100, or none, got 'x'"),
        (["--hidden-size", "none"], "hidden_sizes must be non-empty unless direct is on, got ()"),
        (
            ["--data", "/no/such/file"],
            "corpus must be a readable file, got '/no/such/file' (No such file or directory)",
        ),
        (
            ["--out", "/no/such/folder/m.safetensors"],
            "out must be in a folder that can be written, got /no/such/folder/m",
        ),
        (["--train-fraction", "0.99"], "train_fraction + val_fraction must be below 1"),
        (["--name", "x" * 300], "name must have 1 to 200 characters, got 300"),
    ],
)
def test_wrong_options_end_with_one_sentence(words: Path, store: RunStore, options: list[str], sentence: str) -> None:
    result = Result("train", "--data", str(words), *options)
    assert result.code == 2
    assert result.out == ""
    assert result.err.splitlines()[-1].startswith(f"Error: {sentence}")
    assert "Traceback" not in result.err
    assert store.runs() == []


def test_a_store_that_cannot_be_opened_is_named(words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.sqlite").write_text("not a database, but long enough to be looked at as one " * 20)
    monkeypatch.setenv("MMCORE_STORE", str(tmp_path / "broken.sqlite"))
    result = Result("train", *FAST, "--data", str(words))
    assert result.code == 2
    assert "Error: store must be" in result.err


def test_a_run_that_diverges_is_kept_with_its_advice(words: Path, store: RunStore) -> None:
    options = ["--activation", "relu", "--learning-rate", "1000", "--optimizer", "sgd", "--max-steps", "500"]
    result = Result("train", "--data", str(words), *options, "--json")
    assert result.code == 2
    assert "Error: The loss was no longer a finite number at step" in result.err
    assert json.loads(result.out)["state"] == "failed"
    run = store.latest()
    assert run is not None and run.state is RunState.FAILED


def test_no_running_app_takes_a_command_lines_run(
    words: Path, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server beside the command line looks at the queue four times a second."""
    import mmcore.jobs

    inline, seen = mmcore.jobs.run_inline, []

    def look_first(mine: RunStore, run_id: str, *rest: Any) -> Any:
        seen.append((mine.queued(), mine.claim(run_id)))
        return inline(mine, run_id, *rest)

    monkeypatch.setattr(mmcore.jobs, "run_inline", look_first)
    values = Result("train", *FAST, "--data", str(words), "--json").values
    assert seen == [([], None)]
    assert (values["state"], values["steps"]) == ("finished", 20)


def test_ctrl_c_stops_the_run_and_keeps_it(tmp_path: Path, store: RunStore) -> None:
    out = tmp_path / "stopped.safetensors"
    command = [sys.executable, "-m", "mmcore", "train", "--preset", "lecture", "--json", "--out", str(out)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: process.poll() is not None or any(run.step >= 100 for run in store.runs()))
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate()
    finally:
        process.kill()
    values, run = json.loads(printed), store.runs()[0]
    assert process.returncode == 130
    assert f"Stopped at step {run.step:,} of 200,000; run {run.id} is kept in the store." in said
    assert "Traceback" not in said
    assert (values["state"], values["steps"]) == ("stopped", run.step) == (run.state, load(out).step)
    assert 100 <= run.step < 200_000
    assert store.train_state(run.id), "it can be continued"
    corpus = store.corpus(run.config.corpus_sha256)
    dataset = build_dataset(corpus, run.config.split, 3)
    if "val_loss" in run.losses:  # what a busy machine does not compute in time is left out, rather than waited for
        assert run.losses["val_loss"] == pytest.approx(evaluate(load(out).model, dataset.val).loss, abs=1e-7)
    assert run.losses.get("val_loss") == values["val_loss"]


# ---- evaluate


def test_evaluate_gives_the_exact_losses_of_training(model: Path, words: Path, store: RunStore) -> None:
    run = store.latest()
    assert run is not None
    result = Result("evaluate", str(model), "--data", str(words), "--json")
    assert {name: result.values[name] for name in run.losses} == run.losses
    assert result.values["same_corpus"] is True
    assert result.err == ""
    assert "test_loss" not in result.out
    table = Result("evaluate", str(model), "--data", str(words)).out
    assert f"{run.losses['val_loss']:.4f}" in table
    assert "test" not in table


def test_the_test_losses_are_shown_when_opened(model: Path, words: Path, store: RunStore) -> None:
    run = store.latest()
    assert run is not None
    dataset = build_dataset(store.corpus(run.config.corpus_sha256), run.config.split, 3)
    test_loss = evaluate(load(model).model, dataset.test).loss
    values = Result("evaluate", str(model), "--data", str(words), "--open-test", "--json").values
    assert values["test_loss"] == test_loss
    assert f"{test_loss:.4f}" in Result("evaluate", str(model), "--data", str(words), "--open-test").out
    assert f"{test_loss:.4f}" not in Result("evaluate", str(model), "--data", str(words)).out


def test_evaluate_takes_the_split_from_the_model_unless_told(words: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    Result("train", *FAST, "--data", str(words), "--split-seed", "7", "--deduplicate", "--out", str(path))
    own = Result("evaluate", str(path), "--data", str(words), "--json")
    assert own.values["split_seed"] == 7
    other = Result("evaluate", str(path), "--data", str(words), "--split-seed", "8", "--json")
    assert other.values["split_seed"] == 8
    assert other.values["val_loss"] != own.values["val_loss"]
    assert "Warning: the model was trained at split seed 7" in other.err


def test_a13_another_list_has_one_loss_and_says_how_many_words_were_trained_on(
    model: Path, words: Path, tmp_path: Path
) -> None:
    splits = split_words(words.read_text().split(), SplitConfig())
    listed = [*splits.train[:20], *splits.val[:3], "zzz"]
    data = written(tmp_path / "other.txt", [word.title() for word in listed])
    result = Result("evaluate", str(model), "--data", data, "--json")
    artifact = load(model)
    known = sum(word in set(splits.train) for word in listed)
    assert known in range(20, 24)
    exact = evaluate(artifact.model, build_examples(listed, artifact.vocab, 3))
    facts = {"words": 24, "trained_words": known, "same_corpus": False}
    assert result.values == {"loss": exact.loss, "examples": exact.examples} | facts
    table = Result("evaluate", str(model), "--data", data).out
    assert f"{exact.loss:.4f}" in table and f"Of these 24 words the model was trained on {known}." in table
    for word in ("unseen", "val", "train ", "not the words"):
        assert word not in table
    assert result.err == "Cleaned: lower-cased 24 words.\n"


def test_a13_one_word_can_be_evaluated(model: Path, words: Path, tmp_path: Path) -> None:
    data = written(tmp_path / "one.txt", [split_words(words.read_text().split(), SplitConfig()).train[0]])
    assert "Of this word the model was trained on 1." in Result("evaluate", str(model), "--data", data).out


def test_a13_a_file_of_an_older_version_says_that_it_does_not_know(
    model: Path, tmp_path: Path, store: RunStore
) -> None:
    run = store.latest()
    assert run is not None
    old, data = tmp_path / "old.safetensors", written(tmp_path / "other.txt", ["anna", "bob"])
    old.write_bytes(store.weights(run.id) or b"")
    assert Result("evaluate", str(old), "--data", data, "--json").values["trained_words"] is None
    table = Result("evaluate", str(old), "--data", data).out
    assert "Of these 2 words it is not known how many the model was trained on: its file does not say." in table


def test_a13_train_takes_its_splits_from_three_files(tmp_path: Path, store: RunStore, names: Corpus) -> None:
    parts = {"train": names.words[:60], "val": names.words[60:72], "test": names.words[72:80]}
    train, val, test = (written(tmp_path / f"{name}.txt", list(words)) for name, words in parts.items())
    out = tmp_path / "m.safetensors"
    files = ("--data", train, "--val-data", val, "--test-data", test)
    values = Result("train", *FAST, *files, "--out", str(out), "--json").values
    assert values["splits"] == {name: sum(len(word) + 1 for word in words) for name, words in parts.items()}
    run, artifact = store.latest(), load(out)
    assert run is not None
    assert dict(split_words(store.corpus(run.config.corpus_sha256).words, run.config.split).items()) == parts
    assert artifact.config == run.config
    exact = evaluate(artifact.model, build_examples(parts["val"], artifact.vocab, 3)).loss
    assert values["val_loss"] == exact == Result("evaluate", str(out), "--data", val, "--json").values["loss"]
    assert "Of these 60 words the model was trained on 60." in Result("evaluate", str(out), "--data", train).out
    shown = Result("runs", "show", run.id).out
    assert "60, 12, 8" in shown and "fraction" not in shown


def test_a13_splits_from_files_come_whole(words: Path, store: RunStore) -> None:
    for options, sentence in (
        (("--val-data", str(words)), "val_data and test_data must be given together"),
        (("--test-data", str(words)), "val_data and test_data must be given together"),
        (
            ("--val-data", str(words), "--test-data", str(words), "--split-seed", "3"),
            "split_seed must be left out where files fix the split, got 3",
        ),
    ):
        result = Result("train", *FAST, "--data", str(words), *options)
        assert result.code == 2 and sentence in result.err
    assert store.runs() == []


def test_a13_options_of_splits_are_refused_for_another_list(model: Path, tmp_path: Path) -> None:
    data = written(tmp_path / "other.txt", ["anna", "bob"])
    for option, field in ((["--split-seed", "3"], "split_seed"), (["--open-test"], "open_test")):
        result = Result("evaluate", str(model), "--data", data, *option)
        assert result.code == 2
        assert f"Error: {field} must be left out for words that are not the model's own" in result.err


def test_a13_at_another_split_seed_no_word_is_called_unseen(model: Path, words: Path) -> None:
    other = Result("evaluate", str(model), "--data", str(words), "--split-seed", "8", "--json")
    assert "val_loss" in other.values and "val_loss_unseen" not in other.values
    assert "Warning: the model was trained at split seed 42; it knows words of every split." in other.err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"nonsense", "weights file must be a whole .safetensors file, got 8 bytes"),
        (None, "weights file must be"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "broken.safetensors"
    if content is not None:
        path.write_bytes(content)
    for command in ("evaluate", "sample"):
        result = Result(command, str(path))
        assert result.code == 2
        assert result.err.startswith(f"Error: {sentence}")


def test_words_with_unknown_characters_are_refused(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.txt"
    path.write_text("Ωmega\n" * 20, encoding="utf-8")
    result = Result("evaluate", str(model), "--data", str(path))
    assert result.code == 2
    assert "got ω in" in result.err


# ---- sample


def test_sample_prints_the_words(model: Path) -> None:
    artifact = load(model)
    expected = [s.word for s in generate(artifact.model, artifact.vocab, 20)]
    assert Result("sample", str(model)).out.splitlines() == expected
    options: dict[str, Any] = {"temperature": 0.7, "top_k": 5, "prefix": "an", "max_length": 6}
    expected = [s.word for s in generate(artifact.model, artifact.vocab, 4, sample_seed=9, **options)]
    given = ["-n", "4", "--seed", "9", "--temperature", "0.7", "--top-k", "5", "--prefix", "an", "--max-length", "6"]
    assert Result("sample", str(model), *given).out.splitlines() == expected
    refused = Result("sample", str(model), "--prefix", "É")
    assert (refused.code, refused.out) == (2, "")
    assert "characters must be in the vocabulary" in refused.err


# ---- runs


def test_runs_are_listed_shown_exported_and_deleted(words: Path, tmp_path: Path, store: RunStore) -> None:
    empty = Result("runs", "list")
    assert (empty.code, empty.out) == (0, "")
    assert "No runs yet" in empty.err
    for name in ("first", "sec[o]nd"):
        assert Result("train", *FAST, "--data", str(words), "--name", name).code == 0
    second, first = store.runs()
    listed = Result("runs", "list").out
    assert first.id in listed and second.id in listed and "sec[o]nd" in listed and "finished" in listed
    assert f"{first.losses['val_loss']:.4f}" in listed
    assert [run["run"] for run in Result("runs", "list", "--json").values] == [second.id, first.id]

    assert [run["run"] for run in Result("runs", "list", "--limit", "1", "--json").values] == [second.id]
    assert [run["run"] for run in Result("runs", "list", "--search", "FIRST", "--json").values] == [first.id]
    assert "No run has these words." in Result("runs", "list", "--search", "third").err

    shown = Result("runs", "show", first.id)
    for part in (first.id, "first", "finished", "learning rate", "0.02", "words"):
        assert part in shown.out
    assert "test" not in shown.out
    values = Result("runs", "show", first.id, "--json").values
    assert values["config"] == first.config.to_dict()

    out = tmp_path / "exported.safetensors"
    assert Result("runs", "export", first.id, "--out", str(out)).out == f"{out}\n"
    exported, kept_weights = load(out), load(store.weights(first.id) or b"")
    assert exported.model.flat.equal(kept_weights.model.flat) and exported.losses == kept_weights.losses
    assert exported.trained_words is not None

    table = tmp_path / "anything.txt"
    assert Result("export", first.id, "--format", "curve", "--out", str(table)).out == f"{table}\n"
    assert len(pd.read_csv(table)) == len(store.history(first.id))
    assert "format must be one of everything, weights, state_dict" in Result("export", first.id, "--format", "h5").err
    assert (
        "out must be a file ending in everything.zip, .safetensors"
        in Result("export", first.id, "--out", "model.h5").err
    )

    kept = Result("runs", "delete", first.id, typed="n\n")
    assert kept.code == 1 and len(store.runs()) == 2
    assert "Delete run" in kept.err
    assert Result("runs", "delete", first.id, typed="y\n").code == 0
    assert Result("runs", "delete", second.id, "--yes").code == 0
    assert store.runs() == []


def two(store: RunStore, words: Path) -> tuple[str, str]:
    """Two finished runs that differ in batch size and seed; their ids, older first."""
    for name, size, seed in (("first", "8", "1"), ("=sec[o]nd", "16", "2")):
        given = ("--data", str(words), "--name", name, "--batch-size", size, "--seed", seed)
        assert Result("train", *FAST, *given).code == 0
    second, first = store.runs()
    return first.id, second.id


def test_several_runs_are_deleted_restored_and_deleted_for_good(words: Path, store: RunStore) -> None:
    first, second = two(store, words)
    asked = Result("runs", "delete", first, second[:6], typed="n\n")
    assert asked.code == 1 and store.count() == 2
    for part in (f"Delete run {first} (first, 20 steps), run {second} (=sec[o]nd, 20 steps)?",):
        assert part in asked.err
    assert Result("runs", "delete", first, second[:6], typed="y\n").err.endswith(f"Deleted 2 runs {first}, {second}.\n")
    assert "No runs yet" in Result("runs", "list").err
    assert {run["run"] for run in Result("runs", "list", "--deleted", "--json").values} == {first, second}
    assert Result("runs", "restore", first[:6]).err == f"Restored run {first}.\n"
    assert [run.id for run in store.runs()] == [first]
    assert "run must be in the store" in Result("runs", "restore", first).err, "it is not in the bin"
    would = Result("runs", "gc", "--dry-run").out
    assert re.fullmatch(r"Would free [\d,]{6,} bytes: 1 deleted run and 0 checkpoints of 1 runs looked at.\n", would)
    assert Result("runs", "gc", first).code == 0 and store.count(RunFilter(deleted=True)) == 1
    assert Result("runs", "gc").out == would.replace("Would free", "Freed")
    assert store.count(RunFilter(deleted=True)) == 0
    assert "for good" in Result("runs", "delete", first, "--for-good", typed="y\n").err
    assert "No such run is in the bin." in Result("runs", "list", "--deleted").err


def test_runs_are_compared(words: Path, store: RunStore) -> None:
    first, second = two(store, words)
    runs = [store.run(first), store.run(second)]
    said = Result("runs", "compare", first[:6], second)
    assert re.search(r"Batch size +8 +16\n", said.out) and re.search(r"Seed +1 +2\n", said.out)
    losses = [nats(run.losses["val_loss"]) for run in runs]
    assert re.search(rf"val loss +{losses[0]} +{losses[1]}\n", said.out)
    assert "first" in said.out and "=sec[o]nd" in said.out
    assert "Learning rate" not in said.out and "test" not in said.out
    values = Result("runs", "compare", first, second, "--json").values
    assert values["settings"] == {
        first: {"Batch size": "8", "Seed": "1"},
        second: {"Batch size": "16", "Seed": "2"},
    }
    assert values["losses"][second]["val_loss"] == runs[1].losses["val_loss"]
    head, *rows = Result("runs", "compare", first, second, "--csv").out.splitlines()
    assert head == "id,name,train_loss,val_loss,val_loss_unseen,Batch size,Seed"
    assert rows[1].startswith(f"{second},'=sec[o]nd,") and rows[1].endswith(",16,2")
    assert Result("runs", "compare", first, "nope").code == 2


def test_runs_are_mixed_into_one_model(words: Path, store: RunStore) -> None:
    first, second = two(store, words)
    values = Result("runs", "mix", first[:6], second, "--json").values
    alone = {model["model"]: model["val_loss"] for model in values["models"]}
    for run in (store.run(first), store.run(second)):
        assert alone[run.name] == pytest.approx(run.losses["val_loss"], abs=1e-6)
    assert sum(model["weight"] for model in values["models"]) == pytest.approx(1) and len(alone) == 3
    assert values["losses"]["val_loss"] <= min([*alone.values(), values["equal_weights"]]) + 1e-5
    *head, mixture, _, _, _ = Result("runs", "mix", first, second).out.splitlines()
    assert sorted(" ".join(head).split()) == ["loss", "loss", "model", "unseen", "val", "val", "weight"]
    assert mixture.split()[:4] == ["the", "mixture", "1.0000", nats(values["losses"]["val_loss"])]
    assert store.run(first).test_openings == 0
    opened = Result("runs", "mix", first, second, "--open-test", "--no-counts", "--json").values
    assert [model["test_loss"] for model in opened["models"]] == [
        pytest.approx(store.run(run_id).losses["test_loss"], abs=1e-6) for run_id in (first, second)
    ], "which the store tells, as it has counted the opening"
    assert "test_loss" in opened["losses"] and store.run(second).test_openings == 1
    assert "runs must be at least two models, got 1" in Result("runs", "mix", first, "--no-counts").err
    other = Result("train", *FAST, "--data", str(words), "--split-seed", "7", "--json").values["run"]
    assert "runs must be of one corpus, split in one way, got 2" in Result("runs", "mix", first, other).err


def test_runs_are_tagged_and_listed_by_tag(words: Path, store: RunStore) -> None:
    first, second = two(store, words)
    assert Result("runs", "tag", "base line", first, second).code == 0
    assert Result("runs", "tag", "best", first).code == 0
    listed = Result("runs", "list", "--tag", "base line", "--tag", "best", "--json").values
    assert [(run["run"], run["tags"]) for run in listed] == [(first, ["base line", "best"])]
    assert Result("runs", "tag", "base line", first, "--remove").code == 0
    assert store.tags() == {"base line": 1, "best": 1}
    assert "No run has the tag nothing." in Result("runs", "list", "--tag", "nothing").err
    assert "tag must be without commas" in Result("runs", "tag", "a,b", first).err
    store.open_test(first)
    head, *rows = Result("runs", "list", "--csv").out.splitlines()
    assert len(rows) == 2 and "test_loss" not in head and "batch_size" in head
    assert f"{store.run(first).losses['test_loss']:.3f}" not in Result("runs", "list", "--csv").out
    assert len(Result("runs", "list", "--csv", "--limit", "1").out.splitlines()) == 2


def test_opening_the_test_split_of_a_run_is_counted(words: Path, store: RunStore) -> None:
    run_id = Result("train", *FAST, "--data", str(words), "--json").values["run"]
    assert "test_loss" not in Result("runs", "show", run_id, "--json").values
    values = Result("runs", "show", run_id, "--open-test", "--json").values
    assert values["test_openings"] == 1 == store.run(run_id).test_openings
    assert values["test_loss"] == store.run(run_id).losses["test_loss"]
    # Once opened, it still takes the option to see it.
    for command in (["runs", "show", run_id], ["runs", "list"], ["runs", "list", "--json"]):
        assert "test loss" not in Result(*command).out.replace("_", " ")


@pytest.mark.parametrize("command", ["show", "export", "delete"])
def test_a_run_that_does_not_exist_is_named(command: str) -> None:
    result = Result("runs", command, "nothere")
    assert result.code == 2
    assert "Error: run must be in the store, got id 'nothere'" in result.err


def test_a_run_without_weights_cannot_be_exported(store: RunStore, tmp_path: Path) -> None:
    corpus = corpus_from_words([f"w{i}" for i in range(20)], "some")
    run = store.create(RunConfig(corpus_sha256=store.add_corpus(corpus)))
    result = Result("runs", "export", run.id, "--out", str(tmp_path / "m.safetensors"))
    assert result.code == 2
    assert "run must be one with saved weights" in result.err


# ---- the process


def test_help_is_quick_and_complete() -> None:
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mmcore", "train", "--help"],
        cwd=ROOT, capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert "torch" not in {line.split("|")[-1].strip() for line in result.stderr.splitlines()}
    for option in ("--data", "--context-size", "--embedding-dim", "--hidden-size", "--preset", "--max-steps", "--seed"):
        assert option in result.stdout
    assert "lecture-first" in result.stdout
    assert "bundled names" in result.stdout


def test_the_default_data_are_the_bundled_names(store: RunStore) -> None:
    values = Result("train", *FAST, "--json").values
    assert values["splits"] == {"train": 183_802, "val": 22_949, "test": 23_053}
    assert store.run(values["run"]).corpus_name == BUNDLED_NAMES.stem


# ---- architectures


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_trains_evaluates_and_samples(
    words: Path, store: RunStore, tmp_path: Path, architecture: str
) -> None:
    path = tmp_path / "model.safetensors"
    options = ["--architecture", architecture, "--max-steps", "3", "--out", str(path), "--json"]
    values = Result("train", "--data", str(words), *options).values
    preset = PRESETS[preset_for(architecture)]
    config = store.run(values["run"]).config
    assert (config.model, config.train) == (preset.model, preset.train.replace(max_steps=3))
    exact = Result("evaluate", str(path), "--data", str(words), "--json").values
    assert exact["val_loss"] == pytest.approx(values["val_loss"], abs=1e-6)
    assert len(Result("sample", str(path), "-n", "3").out.splitlines()) == 3


def test_options_of_an_architecture_reach_it(words: Path, store: RunStore) -> None:
    options = ["--architecture", "gru", "--hidden-size", "5", "--embedding-dim", "3", "--context-size", "7"]
    values = Result("train", "--data", str(words), "--max-steps", "2", *options, "--json").values
    expected = model_config(architecture="gru", hidden_size=5, embedding_dim=3, context_size=7, dropout=0.4)
    assert store.run(values["run"]).config.model == expected
    options = ["--preset", "lstm", "--hidden-size", "5", "--state-dropout", "0.3"]
    values = Result("train", "--data", str(words), "--max-steps", "2", *options, "--json").values
    expected = model_config(architecture="lstm", hidden_size=5, dropout=0.4, state_dropout=0.3)
    assert store.run(values["run"]).config.model == expected
    options = ["--preset", "transformer", "--layers", "1", "--heads", "2", "--dropout", "0.1"]
    values = Result("train", "--data", str(words), "--max-steps", "2", *options, "--json").values
    expected = model_config(architecture="transformer", layers=1, heads=2, dropout=0.1)
    assert store.run(values["run"]).config.model == expected
    values = Result("train", "--data", str(words), "--max-steps", "2", "--normalisation", "batch", "--json").values
    assert store.run(values["run"]).config.model == model_config(normalisation="batch")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--architecture", "cnn"], "architecture must be one of bigram, mlp, rnn, gru, lstm, wavenet, transformer, "),
        (
            ["--architecture", "gru", "--preset", "lecture"],
            "architecture must be mlp for the preset lecture, got 'gru'",
        ),
        (["--architecture", "gru", "--hidden-size", "5,6"], "hidden_size must be one number for GRU, got (5, 6)"),
        (["--architecture", "gru", "--heads", "2"], "heads must be left out for GRU, got 2"),
        (["--architecture", "bigram", "--hidden-size", "2"], "hidden_size must be left out for Bigram, got 2"),
        (["--heads", "2"], "heads must be left out for MLP, got 2"),
        (["--sampler", "words"], "sampler must be one of examples, contexts for MLP, got 'words'"),
    ],
)
def test_options_that_an_architecture_lacks_are_refused(
    words: Path, store: RunStore, options: list[str], sentence: str
) -> None:
    result = Result("train", "--data", str(words), *options)
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith(f"Error: {sentence}")
    assert store.runs() == []


def test_gc_drops_checkpoints_beyond_the_limit_and_says_how_much_that_frees(words: Path, store: RunStore) -> None:
    for _ in range(2):
        assert Result("train", *FAST, "--data", str(words)).code == 0
    second, first = store.runs()

    def kept() -> list[int]:
        return [len(store.checkpoints(run.id)) for run in (first, second)]

    size = len(store.checkpoints(first.id)[0].weights)
    assert Result("runs", "gc").out == "Freed 0 bytes: 0 checkpoints of 2 runs looked at.\n"
    assert "of 0 runs" in Result("runs", "gc", "--keep-last-only", "--older-than", "1").out
    limit = ("--max-mb", str(5.5 * size / 2**20))
    said = f"{2 * 16 * size:,} bytes: 32 checkpoints of 2 runs looked at.\n"
    assert Result("runs", "gc", *limit, "--dry-run").out == f"Would free {said}"
    assert kept() == [21, 21]
    assert Result("runs", "gc", *limit).out == f"Freed {said}"
    assert kept() == [5, 5]
    assert Result("runs", "gc", first.id, "--keep-last-only").code == 0
    assert kept() == [0, 5]
    assert load(store.weights(first.id) or b"").step == 20
    assert "run must be in the store" in Result("runs", "gc", "nope").err
    assert "max_mb must be at least 0" in Result("runs", "gc", "--max-mb", "-1").err
    assert "older_than must be at least 0 days" in Result("runs", "gc", "--older-than", "-1").err


# ---- a store that cannot be written or read


@of_files("a file that must not grow")
def test_e2_a_full_disk_refuses_training_in_a_sentence(words: Path, store: RunStore) -> None:
    store.runs()
    words.write_text("".join(f"{number:0100d}\n" for number in range(1000)), encoding="utf-8")  # more than a page

    def full(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    sa.event.listen(sa.pool.Pool, "checkout", full)
    try:
        result = Result("train", *FAST, "--data", str(words))
    finally:
        sa.event.remove(sa.pool.Pool, "checkout", full)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Error: store must be writable, got /")
    assert result.err.endswith("(database or disk is full)\n")


def test_e2_runs_are_listed_where_they_cannot_be_marked(
    model: Path, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(store: RunStore) -> list[str]:
        raise StoreUnavailable("full")

    monkeypatch.setattr(RunStore, "expire_leases", full)
    run = store.latest()
    assert run and run.id in Result("runs", "list").out
    assert run.id in Result("runs", "show", run.id).out


def test_e1_looking_at_runs_marks_those_whose_worker_is_gone(model: Path, store: RunStore) -> None:
    run = store.latest()
    assert run
    with store._write() as db:
        db.execute(sa.text("UPDATE runs SET state = 'running', lease_until = 0, worker = 'elsewhere:1:1'"))
    assert "interrupted" in Result("runs", "list").out
    assert store.run(run.id).state is RunState.INTERRUPTED


@of_files("a damaged file")
def test_e5_a_damaged_store_ends_a_command_in_a_sentence(model: Path, store: RunStore, tmp_path: Path) -> None:
    run = store.latest()
    assert run
    store.compact()
    store.close()
    path = tmp_path / "store.sqlite"
    whole = path.read_bytes()
    path.write_bytes(whole[:12288] + bytes([255]) * (len(whole) - 12288))
    result = Result("runs", "show", run.id)
    assert result.code == 2 and result.err.startswith("Error: store must be") and result.err.count("\n") == 1


def test_e5_runs_list_names_a_run_that_cannot_be_read_and_delete_removes_it(model: Path, store: RunStore) -> None:
    run = store.latest()
    assert run
    bad = store.create(run.config)
    with store._write() as db:
        db.execute(sa.text("UPDATE runs SET config = '{}' WHERE id = :id"), {"id": bad.id})
    listed = Result("runs", "list")
    assert listed.code == 0 and run.id in listed.out and bad.id not in listed.out
    assert listed.err.startswith(f"Warning: run {bad.id} ({bad.name}) cannot be read: ")
    assert Result("runs", "delete", bad.id, "--yes").code == 0
    assert Result("runs", "list").err == ""


def test_c5_a_model_too_large_for_a_store_is_refused_before_training_and_nothing_is_kept(store: RunStore) -> None:
    told = Result("train", "--hidden-size", ",".join(["4096"] * 8))
    assert told.code == 2
    assert told.err.startswith("Error: weights and training state together must be at most 1 GB for a run, got about")
    assert "lower hidden_sizes" in told.err
    assert store.runs() == []


# ---- files, pipes, and runs that go on


@pytest.mark.parametrize("name", ["m.pth", "m.PT", "m.SafeTensors"])
def test_b3_a_file_is_what_its_name_says(words: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    assert Result("train", *FAST, "--data", str(words), "--out", str(out)).code == 0
    is_state_dict = name != "m.SafeTensors"
    tensors = torch.load(out, weights_only=True) if is_state_dict else load(out).model.tensors
    assert set(tensors) >= {"C", "W1", "b1"}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("out", "rule"),
    [
        ("{}/m.h5", "out must be a file ending in everything.zip, .safetensors, .pt, .pth, .npz, "),
        ("{}/m", "out must be a file ending in everything.zip, .safetensors, .pt, .pth, .npz, "),
        ("/proc/m.pt", "out must be in a folder that can be written, got /proc/m.pt ("),
        ("{}/nowhere/m.pt", "out must be in a folder that can be written, got"),
    ],
)
def test_b3_an_out_that_cannot_be_is_refused_before_training(
    words: Path, tmp_path: Path, store: RunStore, out: str, rule: str
) -> None:
    told = Result("train", *FAST, "--data", str(words), "--out", out.format(tmp_path))
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith(f"Error: {rule}")
    assert store.runs() == []


def test_b3_a_disk_that_fills_while_training_leaves_the_summary_and_the_old_file(
    words: Path, tmp_path: Path, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "m.safetensors"
    out.write_text("an older model")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mmcore.cli.output.os.replace", full)
    told = Result("train", *FAST, "--data", str(words), "--out", str(out))
    run = store.latest()
    assert run and run.id in told.out
    assert told.err.endswith(
        f"Error: {out} could not be written (No space left on device); export {run.id} tries again\n"
    )
    assert (told.code, out.read_text()) == (2, "an older model")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_b3_no_word_is_cut_without_saying_so(tmp_path: Path) -> None:
    path, out = tmp_path / "long.txt", str(tmp_path / "m.safetensors")
    path.write_text("\n".join(f"{'ab' * 32}{letter}" for letter in "cdefghijklmn"), encoding="utf-8")
    Result("train", "--max-steps", "300", "--hidden-size", "16", "--data", str(path), "--out", out)
    whole, cut = Result("sample", out, "-n", "5"), Result("sample", out, "-n", "5", "--max-length", "7")
    assert max(map(len, whole.out.split())) >= 64
    assert [len(word) for word in cut.out.split()] == [7] * 5
    assert cut.err == "Warning: 5 of 5 words were cut at 7 characters (--max-length).\n"


def mmcore_process(*arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "mmcore", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_b3_words_are_utf8_in_any_locale_and_a_closed_pipe_is_silent(tmp_path: Path) -> None:
    path, out = tmp_path / "words.txt", str(tmp_path / "m.safetensors")
    path.write_text("\n".join(["שלום", "חביב", "אהבה"] * 10), encoding="utf-8")
    assert Result("train", *FAST, "--data", str(path), "--out", out).code == 0
    process = mmcore_process("sample", out, "-n", "50", PYTHONIOENCODING="cp1252")
    said, problem = process.communicate()
    assert (process.returncode, problem, len(said.decode().splitlines())) == (0, b"", 50)
    with mmcore_process("sample", out, "-n", "10000") as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


@pytest.mark.parametrize("columns", ["80", ""])
def test_b3_runs_are_listed_whole_at_80_columns_and_in_a_pipe(
    words: Path, store: RunStore, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    Result("train", *FAST, "--data", str(words), "--name", "A name that is longer than the room there is for it")
    diverging = ("--optimizer", "sgd", "--init", "lecture", "--learning-rate", "900", "--schedule", "constant")
    Result("train", *FAST, "--data", str(words), "--max-steps", "200", *diverging)
    monkeypatch.setenv("COLUMNS", columns) if columns else monkeypatch.delenv("COLUMNS")
    diverged, first = store.runs()
    header, *lines = Result("runs", "list").out.splitlines()
    assert header.split()[:3] == ["id", "state", "step"]
    assert diverged.state is RunState.FAILED and nats(diverged.losses["val_loss"]) in lines[0].split()
    cells = lines[1].split()
    assert cells[:4] == [first.id, "finished", "20", f"{first.losses['val_loss']:.4f}"]
    assert first.id in lines[1] and (first.name in lines[1]) is not bool(columns)
    assert all(len(line.rstrip()) <= 80 for line in lines) or not columns


def test_b4_a_stopped_run_goes_on_and_a_finished_one_is_trained_longer(words: Path, store: RunStore) -> None:
    told = Result("train", *FAST, "--data", str(words), "--schedule", "constant", "--json").values
    assert (
        Result("runs", "continue", told["run"]).err == "Error: more_steps must be given for a finished run, got None\n"
    )
    longer = Result("runs", "continue", told["run"][:6], "--more-steps", "10", "--json")
    assert (longer.values["steps"], longer.values["state"]) == (30, "finished")
    assert "30 steps in all: the learning rate goes on at 0.02, and the weights come out as those of" in longer.err
    at_once = Result(
        "train", *FAST, "--data", str(words), "--schedule", "constant", "--max-steps", "30", "--json"
    ).values
    assert longer.values["val_loss"] == at_once["val_loss"]

    run = store.create(store.run(told["run"]).config)
    store.request_stop(run.id)
    assert Result("runs", "continue", run.id, "--json").values["state"] == "finished"
    assert Result("runs", "continue", "zz").err == "Error: run must be in the store, got id 'zz'\n"


def test_a_branch_begins_with_kept_weights_and_shows_where_it_comes_from(words: Path, store: RunStore) -> None:
    told = Result("train", *FAST, "--data", str(words), "--json").values
    settings = ("--max-steps", "5", "--learning-rate", "0.003", "--json")
    first, again = (Result("runs", "branch", told["run"], "--step", "7", *settings).values for _ in range(2))
    assert first["from"] == f"{told['name']} ({told['run']}), step 7"
    assert (first["state"], first["steps"], first["val_loss"]) == ("finished", 5, again["val_loss"])
    last = Result("runs", "branch", first["run"], "--name", "Later", "--json").values
    assert last["from"] == f"{first['from']} → {first['name']} ({first['run']}), step 5"
    assert Result("runs", "show", told["run"], "--json").values["branches"] == f"{again['run']}, {first['run']}"
    store.delete(told["run"])
    shown = Result("runs", "show", last["run"], "--json").values
    assert shown["from"] == f"deleted ({told['run']}), step 7 → {first['name']} ({first['run']}), step 5"
    for options, sentence in (
        (("--step", "6"), "step must be one whose weights are kept (0, 1, 2, 3, 4, 5), got 6"),
        (("--hidden-size", "5"), "hidden_sizes must be (16,), as in the run it starts from, got (5,)"),
        (("--split-seed", "5"), "split_seed must be 42, as in the run it starts from, got 5"),
        (("--learning-rate", "0"), "learning_rate must be a number above 0 and at most 1000, got 0.0"),
    ):
        assert Result("runs", "branch", first["run"], *options).err == f"Error: {sentence}\n"


def test_c6_a_corpus_without_runs_is_listed_and_can_be_deleted(model: Path, store: RunStore) -> None:
    used = store.runs()[0].config.corpus_sha256
    free = store.add_corpus(corpus_from_words(["anna", "bob", "eve"], "mine [1]"))
    listed = Result("corpora", "list")
    assert "mine [1]" in listed.out and free[:10] in listed.out and used[:10] in listed.out
    assert {row["sha256"]: row["runs"] for row in Result("corpora", "list", "--json").values} == {used: 1, free: 0}
    refused = Result("corpora", "delete", used[:10], "--yes")
    assert (refused.code, refused.err) == (2, "Error: a corpus must have no runs to be deleted, got one with 1\n")
    assert Result("corpora", "delete", "", "--yes").err.startswith("Error: sha256 must be the first digits of one")
    assert Result("corpora", "delete", free[:10], typed="n\n").code == 1
    assert Result("corpora", "delete", free[:10], typed="y\n").err.endswith(f"Deleted corpus {free[:10]}.\n")
    assert set(store.corpora().sha256) == {used}


@pytest.mark.parametrize(("loss", "said"), [(2.5, ["2.5000", "12.18", "3.6067"]), (4e20, ["4e+20", "∞", "5.77e+20"])])
def test_b5_a_loss_that_went_astray_is_said_by_its_size(
    loss: float, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    mmcore.cli.output.print_losses({"val": (loss, 7)}, "split", "character")
    row = next(line for line in capsys.readouterr().out.splitlines() if "val" in line)
    assert [part for part in row.split() if part[0].isalnum() or part == "∞"] == ["val", *said, "7"]
    step = Step(step=1, learning_rate=1.0, seconds=1.0, train_loss=loss, val_loss=loss)
    assert mmcore.cli.output.losses_line(step) == f"train {said[0]}, validation {said[0]}"


# ---- sweep


def test_a_sweeps_cells_are_what_train_gives_to_the_bit(words: Path, store: RunStore) -> None:
    options = (*FAST, "--data", str(words), "--preset", "blink")
    axes = ("--axis", "context_size=1,2", "--axis", "weight_decay=0,0.1")
    swept = Result("sweep", "run", *options, *axes, "--seeds", "1..2", "--json").values
    assert (swept["state"], swept["finished"], len(swept["settings"])) == ("finished", 8, 4)
    assert swept["name"] == "Context size × Weight decay"
    in_sweep = {run.config: run for run in store.runs()}
    for setting in swept["settings"]:
        losses = []
        for seed in (1, 2):
            chosen = ("--context-size", str(setting["context_size"]), "--weight-decay", str(setting["weight_decay"]))
            one = Result("train", *options, *chosen, "--seed", str(seed), "--json").values
            alone = store.run(one["run"])
            assert store.train_state(alone.id) == store.train_state(in_sweep[alone.config].id), "the same weights"
            losses.append(one["val_loss"])
        assert setting["val_loss"] == sum(losses) / 2 and setting["settled"] == 2
    again = Result("sweep", "run", *options, *axes, "--seeds", "1..2", "--json").values
    assert store.count() == 16, "what is there already is not trained again"
    assert [one["val_loss"] for one in again["settings"]] == [one["val_loss"] for one in swept["settings"]]
    more = Result("sweep", "add", swept["id"], "--seeds", "3", "--axis", "context_size=3", "--json").values
    assert (more["finished"], len(more["settings"])) == (18, 6)
    table = Result("sweep", "show", swept["id"], "--markdown").out
    best = min(more["settings"], key=lambda setting: float(setting["val_loss"]))
    assert table.splitlines()[2].startswith(f"| {best['context_size']} | {best['weight_decay']:g} | ")
    assert Result("sweep", "show", swept["id"], "--csv").out.count("\n") == 7
    assert swept["id"] in Result("sweep", "list").out


def test_a_sweeps_table_is_whole_in_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    shown = pd.DataFrame({"Hidden units": ["[100] × 100", "7"], "Parameters": ["1,234,567", "9"]})
    mmcore.cli.output.print_whole(shown, left=1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["Hidden                 ", "units        Parameters"], "a title in as few columns as its cells"
    assert lines[2:] == ["[100] × 100   1,234,567", "7                     9"]


def test_ctrl_c_stops_a_sweep_and_resume_finishes_it(words: Path, store: RunStore) -> None:
    command = [sys.executable, "-m", "mmcore", "sweep", "run", "--data", str(words), *FAST[2:], "--max-steps", "3000"]
    with subprocess.Popen([*command, "--axis", "context_size=1..4"], cwd=ROOT, stderr=subprocess.PIPE) as process:
        until(lambda: any(run.step > 0 for run in store.runs()), "a run is in training")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130, err.decode()
    assert b"Its runs are kept; to go on: sweep resume " in err
    (stored,) = store.sweeps()
    assert stored.state == "stopped" and 0 < store.count() < 8
    resumed = Result("sweep", "resume", stored.id, "--json").values
    assert (resumed["state"], resumed["finished"], store.count()) == ("finished", 4, 4)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "axis must be given at least once, got None"),
        (("--axis", "context_size"), "axis must be NAME=VALUES, got 'context_size'"),
        (("--axis", "seed=1,2"), "axis must be a setting that may vary here"),
        (("--axis", "context_size=0"), "context_size must be a whole number from 1 to 64, got 0"),
        (("--axis", "context_size=1,2", "--seeds", "x"), "seeds must be a whole number"),
        (("--axis", "context_size=1,2", "--method", "guess"), "method must be one of grid, random, tpe"),
        (("--axis", "preset=quick,gru", "--max-steps", "5"), "max_steps must be left out where presets vary, got 5"),
        (("--axis", "context_size=1,2", "--seed", "5"), "seed must be left out where seeds are given, got 5"),
        (("--axis", "hidden_sizes=7,8", "--hidden-size", "9"), "hidden_size must be left out where it varies, got 9"),
    ],
)
def test_what_is_no_sweep_is_one_sentence(
    words: Path, store: RunStore, options: tuple[str, ...], sentence: str
) -> None:
    refused = Result("sweep", "run", "--data", str(words), *options)
    assert refused.code == 2 and sentence in refused.err and not store.sweeps()
    assert "the beginning of one sweep's id" in Result("sweep", "show", "nothing").err


# ---- runs size, pack, unpack


def test_size_says_what_takes_room_and_the_largest_runs(words: Path, store: RunStore) -> None:
    assert not store.count(), "and it keeps a connection: SQLite tidies its files when the last one closes"
    for seed in ("1", "2"):
        assert Result("train", *FAST, "--data", str(words), "--seed", seed).code == 0
    found, size = Result("runs", "size", "--json").values, store.size()
    assert found["parts"] == dataclasses.asdict(size) and found["total"] == sum(found["parts"].values())
    assert {run["id"]: run["bytes"] for run in found["largest"]} == store.stored()
    out = Result("runs", "size").out
    for said in (f"Weights {amount(size.weights)}", f"In all {amount(size.total)}"):
        assert said in " ".join(out.split())
    assert ("Left on the disk" in out) == (SERVER is None), "of a server nobody here knows"
    assert all(run.id in out for run in store.runs())


def test_runs_are_packed_into_a_file_and_unpacked_elsewhere(
    words: Path, store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Databases
) -> None:
    for seed in ("1", "2"):
        assert Result("train", *FAST, "--data", str(words), "--seed", seed).code == 0
    second, first = store.runs()
    whole, one = tmp_path / "all.sqlite", tmp_path / "one.sqlite"
    assert Result("runs", "pack", str(whole)).out == f"{whole}\n"
    packed = Result("runs", "pack", str(one), first.id[:6])
    assert packed.out == f"{one}\n" and packed.err == f"Wrote 1 run, {amount(one.stat().st_size)}.\n"
    monkeypatch.setenv("MMCORE_STORE", database("other"))
    assert Result("runs", "unpack", str(one)).out == f"{first.id}\n"
    unpacked = Result("runs", "unpack", str(whole))
    assert unpacked.out == f"{second.id}\n"
    assert unpacked.err == f"Skipped {first.id}: it is in the store already\nImported 1 of 2 runs.\n"
    assert Result("runs", "unpack", str(one), "--json").values["imported"] == {}
    assert RunStore().run(second.id).losses == second.losses


@of_files("it is a file itself")
def test_the_store_is_not_packed_into_itself(store: RunStore, tmp_path: Path) -> None:
    assert "file must be another one than the store" in Result("runs", "pack", str(tmp_path / "store.sqlite")).err


def test_pack_and_unpack_refuse_in_a_sentence(words: Path, store: RunStore, tmp_path: Path) -> None:
    assert "runs must be at least one" in Result("runs", "pack", str(tmp_path / "out.sqlite")).err
    refused = Result("runs", "unpack", str(words))
    assert refused.code == 2 and refused.err.startswith("Error: file must be a file of runs")
