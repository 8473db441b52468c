"""The weights file: exact round trips, and one clear sentence for every kind of damage."""

from __future__ import annotations

import ast
import io
import json
import math
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save as save_tensors

import mmcore.export.artifact
from mmcore.architectures import model_config
from mmcore.architectures.interface import ModelConfig
from mmcore.config import RunConfig, SplitConfig, TrainConfig
from mmcore.corpus import Corpus, read_words
from mmcore.dataset import Dataset, Splits, Vocab
from mmcore.evaluation import evaluate
from mmcore.export.arrays import state_dict_bytes
from mmcore.export.artifact import Artifact, load, plain_torch
from mmcore.model import MLP
from mmcore.presets import PRESETS
from mmcore.version import __version__

CONFIGS = [
    model_config(),
    model_config(embedding_dim=2, hidden_sizes=(8, 6), activation="relu", direct=True),
    model_config(embedding_dim=2, hidden_sizes=(), direct=True),
    model_config(context_size=1, embedding_dim=1, hidden_sizes=(1,)),
]


def artifact_of(model: ModelConfig, vocab: Vocab) -> Artifact:
    config = RunConfig(corpus_sha256="ab" * 32, split=SplitConfig(split_seed=5), model=model, train=TrainConfig(seed=9))
    return Artifact(MLP(model, vocab.size, seed=4), vocab, config, {"val_loss": 2.1, "train_loss": 2.0}, 1_234)


TINY = artifact_of(model_config(context_size=2, embedding_dim=2, hidden_sizes=(3,)), Vocab.from_words(["ab. "]))
DATA = TINY.to_bytes()
HEADER_END = 8 + int.from_bytes(DATA[:8], "little")


def rebuilt(change: Callable[[dict[str, Any]], object], data: bytes = DATA) -> bytes:
    """The file with its header changed, lengths still right."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    change(header)
    encoded = json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + data[end:]


def with_metadata(**values: Any) -> bytes:
    return rebuilt(lambda header: header["__metadata__"].update({k: json.dumps(v) for k, v in values.items()}))


def with_config(**changes: Any) -> bytes:
    values = TINY.config.to_dict()
    values["model"] |= changes
    return with_metadata(config=values)


def with_tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> bytes:
    tensors = {name: tensor.clone() for name, tensor in TINY.model.tensors.items()}
    change(tensors)
    metadata: dict[str, str] = json.loads(DATA[8:HEADER_END])["__metadata__"]
    return save_tensors(tensors, metadata)


# ---- round trips


@pytest.mark.parametrize("config", CONFIGS)
def test_a_loaded_model_has_the_same_loss_to_the_last_bit(dataset: Dataset, config: ModelConfig) -> None:
    before = artifact_of(config.replace(context_size=3), dataset.vocab)
    after = load(before.to_bytes())
    assert torch.equal(after.model.flat, before.model.flat)
    assert evaluate(after.model, dataset.val).loss == evaluate(before.model, dataset.val).loss
    assert (after.config, after.vocab, after.step) == (before.config, before.vocab, before.step)
    assert after.losses == before.losses


def test_a_file_is_read_from_its_path(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(DATA)
    assert torch.equal(load(path).model.flat, load(str(path)).model.flat)


def test_the_file_describes_itself() -> None:
    header = json.loads(DATA[8:HEADER_END])
    metadata = {key: json.loads(value) for key, value in header.pop("__metadata__").items()}
    assert set(header) == {"C", "W1", "b1", "W2", "b2"}
    assert metadata["version"] == __version__
    assert metadata["vocab"] == ["", " ", ".", "a", "b"]
    assert metadata["config"]["split"]["split_seed"] == 5
    assert metadata["config"]["corpus_sha256"] == "ab" * 32
    assert metadata["losses"]["val_loss"] == 2.1


@pytest.mark.parametrize("config", CONFIGS)
def test_the_state_dict_loads_in_plain_torch(names: Corpus, dataset: Dataset, config: ModelConfig) -> None:
    artifact = artifact_of(config, dataset.vocab)
    tensors = torch.load(io.BytesIO(state_dict_bytes(artifact.model)), weights_only=True)
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == config.shapes(27)
    assert all(torch.equal(tensor, artifact.model.tensors[name]) for name, tensor in tensors.items())
    twin = MLP(config, 27, seed=99)
    twin.load_state_dict(tensors)
    assert torch.equal(twin.flat, artifact.model.flat), "loading into the parameters must reach the flat tensor"


# ---- the plain code


@pytest.mark.parametrize("config", CONFIGS)
def test_the_plain_code_samples_like_the_model(
    dataset: Dataset, config: ModelConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = artifact_of(config, dataset.vocab)
    artifact.model.flat.mul_(20)  # so sure of itself that every draw is the most likely character
    path = tmp_path / 'a "quoted" \\ name.safetensors'
    path.write_bytes(artifact.to_bytes())
    code = plain_torch(config, str(path))
    nodes = list(ast.walk(ast.parse(code)))
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    assert imported == {"json", "torch", "safetensors"}
    # One step at a time, so that a model that never ends its word cannot run for ever.
    seen: list[torch.Tensor] = []
    scope: dict[str, Any] = {}
    real = torch.multinomial

    def spy(p: torch.Tensor, n: int) -> torch.Tensor:
        seen.append(p)
        return real(p, n) if len(seen) < 6 else torch.zeros(1, dtype=torch.int64)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "multinomial", spy)
        exec(code, scope)
    ids = scope["ids"]
    for position, p in enumerate(seen):
        with torch.no_grad():
            expected = artifact.model(torch.tensor([ids[position : position + config.context_size]]))[0].softmax(0)
        assert torch.allclose(p, expected, atol=1e-4)
    assert capsys.readouterr().out == dataset.vocab.decode(ids) + "\n"


ODD = [
    model_config(context_size=5, hidden_sizes=(20, 10), activation="gelu"),
    model_config(hidden_sizes=(12,), normalisation="batch", direct=True),
    model_config(hidden_sizes=(12, 8), normalisation="layer", activation="relu"),
    model_config(architecture="wavenet", context_size=4, hidden_size=16, normalisation="layer"),
    model_config(architecture="wavenet", context_size=2, hidden_size=16, normalisation="none", activation="gelu"),
    model_config(architecture="rnn", context_size=1),
    model_config(architecture="gru", context_size=3, hidden_size=7, state_dropout=0.3),
    model_config(architecture="lstm", context_size=2, dropout=0.3),
    model_config(architecture="transformer", context_size=5, layers=2, heads=2, embedding_dim=8),
]


def test_a1_the_plain_code_runs_without_this_project_and_samples_the_same_words(
    dataset: Dataset, tmp_path: Path
) -> None:
    configs = [*(preset.model for preset in PRESETS.values()), *ODD]
    scripts, expected = [], []
    for number, config in enumerate(configs):
        artifact = artifact_of(config, dataset.vocab)
        artifact.model.flat[: artifact.model.decayed].mul_(1.5)  # off its balanced start, where much is alike
        weights, script = tmp_path / f"{number}.safetensors", tmp_path / f"{number}.py"
        weights.write_bytes(artifact.to_bytes())
        script.write_text(plain_torch(config, str(weights)), encoding="utf-8")
        scripts.append(str(script))
        expected.append(word_of(artifact))
    each = "import runpy, sys, torch\nfor path in sys.argv[1:]: torch.manual_seed(1); runpy.run_path(path)"
    done = subprocess.run([sys.executable, "-I", "-c", each, *scripts], capture_output=True, text=True, timeout=100)
    assert (done.stderr, done.stdout.splitlines()) == ("", expected)


@torch.no_grad()
def word_of(artifact: Artifact) -> str:
    """What the model writes by the draws that the plain code makes."""
    torch.manual_seed(1)  # of the process, as the plain code has it
    size = artifact.config.model.context_size
    ids = [0] * size
    while len(ids) == size or ids[-1]:
        ids.append(int(torch.multinomial(artifact.model(torch.tensor([ids[-size:]]))[0].softmax(0), 1)))
    return artifact.vocab.decode(ids)


# ---- damage

DAMAGED: list[tuple[str, bytes, str]] = [
    ("empty", b"", "weights file must be a whole .safetensors file, got 0 bytes: "),
    ("text", b"not a model, just some text", "weights file must be a whole .safetensors file, got 27 bytes: "),
    ("pickle", state_dict_bytes(TINY.model), "weights file must be a whole .safetensors file, got "),
    ("longer", DATA + b"\0", "weights file must be a whole .safetensors file, got "),
    ("huge header", struct.pack("<Q", 2**62) + DATA[8:], "weights file must be a whole .safetensors file, got "),
    ("header over the end", struct.pack("<Q", len(DATA)) + DATA[8:], "weights file must be a whole .safetensors file"),
    ("no metadata", save_tensors({"C": torch.zeros(2)}), "weights file must have the metadata format, version, config"),
    ("null metadata", rebuilt(lambda h: h.update(__metadata__=None)), "weights file must have the metadata format, ve"),
    ("no vocab", rebuilt(lambda h: h["__metadata__"].pop("vocab")), "weights file must have the metadata format, vers"),
    ("metadata not JSON", rebuilt(lambda h: h["__metadata__"].update(step="{")), "weights file metadata must be JSON"),
    ("deep JSON", rebuilt(lambda h: h["__metadata__"].update(step="[" * 10**5)), "weights file metadata must be JSON"),
    (
        "other format",
        with_metadata(format="x/2"),
        "weights file format must be makemore-lab/2 or makemore-lab/1, go",
    ),
    ("config a list", with_metadata(config=[]), "RunConfig must be a table of fields, got []"),
    ("config empty", with_metadata(config={}), "RunConfig fields must be at least corpus_sha256, got []"),
    ("config unknown", with_config(depth=3), "ModelConfig fields must be among activation"),
    ("config invalid", with_config(context_size=0), "context_size must be a whole number from 1 to 64, got 0"),
    ("config too large", with_config(hidden_sizes=[4096] * 8), "tensors must be C, W1, b1, W2, b2, W3, b3, W4"),
    ("config wider", with_config(embedding_dim=1000), "tensor C must have shape (5, 1000) and dtype float32 for this"),
    ("config direct", with_config(direct=True), "tensors must be C, W1, b1, W2, b2, W for this config, got C, W1, W2,"),
    ("vocab longer", with_metadata(vocab=["", *"abcde"]), "tensor C must have shape (6, 2) and dtype float32 for this"),
    ("vocab twice", with_metadata(vocab=["", *"aabc"]), "vocab must start with the boundary and have distinct symbols"),
    ("vocab no boundary", with_metadata(vocab=[*"abcde"]), "vocab must start with the boundary and have distinct symb"),
    ("vocab line break", with_metadata(vocab=["", *"\nabc"]), "vocab must start with the boundary and have distinct s"),
    ("vocab text", with_metadata(vocab="abcde"), "vocab must be a list of characters, got abcde"),
    ("vocab words", with_metadata(vocab=["", "ab", "c", "d", "e"]), "vocab must be a list of characters, got ['', 'ab"),
    ("losses a list", with_metadata(losses=[1]), "losses must be numbers by name, got [1]"),
    ("losses text", with_metadata(losses={"val_loss": "low"}), "losses must be numbers by name, got {'val_loss': 'low"),
    (
        "E7 losses NaN",
        with_metadata(losses={"val_loss": math.nan}),
        "losses must be finite numbers, got {'val_loss': n",
    ),
    ("E7 losses infinite", with_metadata(losses={"val_loss": math.inf}), "losses must be finite numbers, got {'val_l"),
    (
        "E7 surrogate",
        with_metadata(vocab=["", *"abc", "\udc80"]),
        "vocab must be characters, got half of one, the lone ",
    ),
    ("step", with_metadata(step=-1), "step must be a whole number from 0, got -1"),
    ("step true", with_metadata(step=True), "step must be a whole number from 0, got True"),
    ("extra tensor", with_tensors(lambda t: t.update(X=torch.zeros(1))), "tensors must be C, W1, b1, W2, b2 for this"),
    ("missing tensor", with_tensors(lambda t: t.pop("b2")), "tensors must be C, W1, b1, W2, b2 for this config, got C"),
    ("shape", with_tensors(lambda t: t.update(b1=torch.zeros(4))), "tensor b1 must have shape (3,) and dtype float32"),
    ("turned", with_tensors(lambda t: t.update(W1=t["W1"].T.contiguous())), "tensor W1 must have shape (4, 3) and dty"),
    ("dtype", with_tensors(lambda t: t.update(C=t["C"].double())), "tensor C must have shape (5, 2) and dtype float32"),
    ("ints", with_tensors(lambda t: t.update(C=t["C"].int())), "tensor C must have shape (5, 2) and dtype float32 for"),
    ("NaN", with_tensors(lambda t: t["W2"].view(-1)[:2].fill_(torch.nan)), "tensor W2 must hold finite numbers, got 2"),
    ("infinite", with_tensors(lambda t: t["b2"][0].fill_(torch.inf)), "tensor b2 must hold finite numbers, got 1 that"),
]


@pytest.mark.parametrize(("data", "sentence"), [row[1:] for row in DAMAGED], ids=[row[0] for row in DAMAGED])
def test_damage_is_refused_with_what_does_not_fit(data: bytes, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        load(data)
    assert type(error.value) is ValueError
    assert str(error.value).startswith(sentence)


def test_a_file_cut_short_anywhere_is_refused() -> None:
    for length in [*range(0, HEADER_END, 13), *range(HEADER_END - 3, len(DATA), 7), len(DATA) - 1]:
        with pytest.raises(ValueError, match=r"weights file must be a whole .safetensors file, got"):
            load(DATA[:length])


def test_a_file_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmcore.export.artifact, "MAX_BYTES", len(DATA) - 1)
    with pytest.raises(ValueError, match="weights file must be at most"):
        load(DATA)


def test_a_path_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(ValueError, match=r"weights file must be readable, got '.*' \(.+\)"):
            load(path)


@settings(max_examples=250)
@given(st.lists(st.tuples(st.integers(0, len(DATA) - 1), st.integers(0, 255)), min_size=1, max_size=3))
def test_flipped_bytes_give_a_model_or_a_value_error(flips: list[tuple[int, int]]) -> None:
    data = bytearray(DATA)
    for position, value in flips:
        data[position] = value
    try:
        loaded = load(bytes(data))
    except ValueError:
        return
    assert loaded.model.flat.isfinite().all()


@settings(max_examples=60)
@given(st.sampled_from(["format", "version", "config", "vocab", "losses", "step"]), st.data())
def test_any_json_in_the_metadata_gives_a_model_or_a_value_error(key: str, data: st.DataObject) -> None:
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just(10**400)
    value = data.draw(st.recursive(leaves, lambda s: st.lists(s, max_size=4) | st.dictionaries(st.text(max_size=3), s)))
    if key == "config" and data.draw(st.booleans()):
        part = data.draw(st.sampled_from(["model", "train", "split"]))
        values = TINY.config.to_dict()
        values[part][data.draw(st.sampled_from(sorted(values[part])))] = value
        value = values
    try:
        load(with_metadata(**{key: value}))
    except ValueError:
        return


# ---- what was done to the text, and which words it knows (B2, A13)


def test_b2_the_artifact_records_what_was_cleaned() -> None:
    corpus = read_words("Ann\nma\ufeffry\nzoe\u0301\n".encode(), lowercase=True)
    after = load(replace(TINY, cleaning=corpus.report.cleaning).to_bytes())
    assert after.cleaning == {
        "form": "NFC",
        "lowercase": True,
        "lowered": 1,
        "composed": 1,
        "characters": {"U+FEFF": 1},
    }
    assert load(DATA).cleaning == {}  # files of older versions have no such record


def test_a13_the_artifact_knows_the_words_it_was_trained_on() -> None:
    splits = Splits(("ann", "zo\u00e9", "ann"), ("bob",), ("eve",))
    data = load(DATA).with_words(splits).to_bytes()
    after = load(data)
    assert after.trained_on(["ann", "zo\u00e9", "ann", "bob", "eve", ""]) == 3
    assert after.model.flat.equal(TINY.model.flat) and after.config == TINY.config
    assert len(data) - len(DATA) < 100
    assert load(DATA).trained_on(["ann"]) is None


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"cleaning": [1]}, "cleaning must be a table of what was done to the text, got [1]"),
        ({"trained_words": "ab"}, "trained_words must be base64 of 8 bytes a word, got ab"),
        ({"trained_words": "YWJj"}, "trained_words must be base64 of 8 bytes a word, got YWJj"),
        ({"trained_words": 7}, "trained_words must be base64 of 8 bytes a word, got 7"),
    ],
)
def test_a_record_that_is_none_is_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        load(with_metadata(**values))
    assert str(error.value) == sentence


def test_e7_a_file_of_ours_holds_no_loss_that_is_none() -> None:
    assert load(replace(load(DATA), losses={"val_loss": math.inf, "train_loss": 2.0}).to_bytes()).losses == {
        "train_loss": 2.0
    }


@pytest.mark.parametrize(
    "values", [{"format": "x" * 10**5}, {"step": "x" * 10**5}, {"vocab": ["", *map(str, range(9**5))]}]
)
def test_e7_a_message_repeats_no_more_than_a_line_of_what_it_refuses(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError) as refused:
        load(with_metadata(**values))
    assert len(str(refused.value)) < 300
