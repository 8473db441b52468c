"""The formats that a run can be taken home as, each opened by what it is meant for."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mmcore.architectures import model_config
from mmcore.config import RunConfig
from mmcore.corpus import Corpus
from mmcore.dataset import show_symbol
from mmcore.export import ENDINGS, FORMATS, file_name, format_of, onnx_graph, script_model
from mmcore.export.artifact import load
from mmcore.export.trained import Trained
from mmcore.sample import drawn_words
from tests.exported import trained

MODEL = model_config(embedding_dim=3, hidden_sizes=(12,))


@pytest.fixture(scope="module")
def mine(names: Corpus) -> Trained:
    """A short run on 300 names."""
    return trained(MODEL, names.words[:300])


def test_every_ending_asks_for_its_format_and_no_other() -> None:
    assert len(set(ENDINGS)) == len(ENDINGS)
    for key, known in FORMATS.items():
        for ending in known.endings:
            assert format_of(Path(f"Model-{ending.upper()}")) is known, key
        assert format_of(Path(file_name("3f", known))) is known
    with pytest.raises(
        ValueError, match=r"^out must be a file ending in everything\.zip, \.safetensors, \.pt, .*, got 'model\.h5'$"
    ):
        format_of(Path("model.h5"))


@pytest.mark.parametrize("key", ["weights", "state_dict", "npz"])
def test_weights_are_read_by_the_library_by_torch_and_by_numpy(mine: Trained, key: str) -> None:
    content = io.BytesIO(FORMATS[key].write(mine))
    if key == "npz":
        arrays = np.load(content, allow_pickle=False)
        assert tuple(arrays["vocab"].tolist()) == mine.artifact.vocab.symbols
        read = {name: torch.from_numpy(arrays[name]) for name in arrays.files if name != "vocab"}
    elif key == "state_dict":
        read = torch.load(content, weights_only=True)
    else:
        artifact = load(content.getvalue())
        read = artifact.model.tensors
        assert artifact.trained_on(mine.dataset.splits.train) == len(mine.dataset.splits.train)
    assert set(read) == set(mine.artifact.model.tensors)
    assert all(torch.equal(read[name], tensor) for name, tensor in mine.artifact.model.tensors.items())


def test_the_curve_and_the_embeddings_are_tables_for_pandas(mine: Trained) -> None:
    curve = pd.read_csv(io.BytesIO(FORMATS["curve"].write(mine)))
    assert list(curve.columns) == list(mine.curve.columns) and curve["step"].iloc[-1] == 20
    assert np.allclose(curve["val_loss"], mine.curve["val_loss"], equal_nan=True)
    table = pd.read_csv(io.BytesIO(FORMATS["embeddings"].write(mine)), keep_default_na=False)
    assert table["symbol"].tolist() == list(map(show_symbol, mine.artifact.vocab.symbols))
    assert np.array_equal(table[["d1", "d2", "d3"]].to_numpy(np.float32), mine.artifact.model.tensors["C"].numpy())


def test_the_projectors_two_files_have_a_row_a_symbol_each(mine: Trained) -> None:
    with zipfile.ZipFile(io.BytesIO(FORMATS["projector"].write(mine))) as archive:
        assert archive.namelist() == ["vectors.tsv", "metadata.tsv"]
        vectors = np.loadtxt(archive.open("vectors.tsv"), delimiter="\t", dtype=np.float32)
        title, *rows = archive.read("metadata.tsv").decode().splitlines()
    assert np.array_equal(vectors, mine.artifact.model.tensors["C"].numpy())
    assert title == "symbol\tcount" and len(rows) == len(vectors)
    count = sum(word.count("a") for word in mine.dataset.splits.train)
    assert f"a\t{count}" in rows and f".\t{len(mine.dataset.splits.train)}" in rows


def test_samples_and_settings_are_those_of_the_run(mine: Trained) -> None:
    lines = FORMATS["samples"].write(mine).decode().splitlines()
    assert lines == drawn_words(mine.artifact.model, mine.artifact.vocab, 1_000, sample_seed=0)
    assert RunConfig.from_dict(json.loads(FORMATS["settings"].write(mine))) == mine.config


def test_everything_is_the_files_of_all_formats_and_a_text_that_names_them(mine: Trained) -> None:
    with zipfile.ZipFile(io.BytesIO(FORMATS["everything"].write(mine))) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    said = found.pop("README.txt").decode()
    expected = {n: c for key, known in FORMATS.items() if key != "everything" for n, c in known.files(mine).items()}
    assert list(found) == list(expected)
    del found["weights.safetensors"]  # whose metadata safetensors writes in any order
    del found[next(name for name in found if name.startswith("tensorboard/"))]  # which says when it was written
    assert all(expected[name] == content for name, content in found.items())
    assert all(name in said for name in found)


def test_what_a_model_does_not_have_is_left_out_with_the_reason(names: Corpus) -> None:
    bigram = trained(model_config(architecture="bigram"), names.words[:50])
    with pytest.raises(ValueError, match=r"got Embeddings: A bigram has no embedding table\.$"):
        FORMATS["embeddings"].write(bigram)
    with zipfile.ZipFile(io.BytesIO(FORMATS["everything"].write(bigram))) as archive:
        assert "Embeddings: left out. A bigram has no embedding table." in archive.read("README.txt").decode()
        assert "embeddings.csv" not in archive.namelist() and "weights.safetensors" in archive.namelist()


@pytest.mark.parametrize(("key", "table"), [("script", script_model.FORWARD), ("onnx", onnx_graph.BUILD)])
def test_an_architecture_that_a_format_does_not_know_is_refused(
    mine: Trained, key: str, table: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert FORMATS[key].missing(mine.config) is None
    monkeypatch.delitem(table, "mlp")
    assert FORMATS[key].missing(mine.config) == "It is not written for the architecture MLP yet."


def test_a_package_that_is_missing_is_named(mine: Trained) -> None:
    known = dataclasses.replace(FORMATS["curve"], package="no_such_package")
    assert known.missing(mine.config) == "It needs the package no_such_package: install makemore-lab[export]."
    with pytest.raises(ValueError, match="format must be one that can be written, got Curve: It needs"):
        known.write(mine)
