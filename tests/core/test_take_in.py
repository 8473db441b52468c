"""A weights file becomes a run; anything else is refused with a reason, and nothing is stored."""

from __future__ import annotations

import json
import math
import os
import struct
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
import torch
from safetensors.torch import save
from typer.testing import CliRunner

from mmcore.architectures import model_config
from mmcore.cli import app
from mmcore.config import RunConfig, TrainConfig
from mmcore.corpus import corpus_from_words
from mmcore.cost import MAX_HEADER_BYTES
from mmcore.dataset import Vocab
from mmcore.export import FORMATS
from mmcore.gallery import gallery_corpus
from mmcore.jobs import run_inline
from mmcore.store import Run, RunState, RunStore
from mmcore.take_home import take_home
from mmcore.take_in import take_in
from tests import exported
from tests.models import SMALL

WORDS = ["anna", "bea", "cleo", "dora", "eve", "fay", "gina", "hedda", "ida", "june", "kim", "lea"] * 3
MODEL = model_config(context_size=2, embedding_dim=3, hidden_sizes=(5,))
FUZZED = int(os.environ.get("MMCORE_FUZZED", "100"))  # files; 10,000 for a thorough look
CORPUS = corpus_from_words(WORDS, "some")


def config_of(architecture: str = "mlp", **train: int) -> RunConfig:
    model = MODEL if architecture == "mlp" else SMALL[architecture]
    given = {"max_steps": 12, "batch_size": 16, "sampler": model.samplers[0]} | train
    return RunConfig(corpus_sha256=CORPUS.sha256, model=model, train=TrainConfig(**given))  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    opened = RunStore(f"sqlite:///{tmp_path / 'store.sqlite'}")
    opened.add_corpus(CORPUS)
    return opened


def trained(store: RunStore, config: RunConfig) -> tuple[Run, bytes]:
    run = run_inline(store, store.create(config).id)
    return run, FORMATS["weights"].write(take_home(store, run.id))


@pytest.mark.parametrize("architecture", ["mlp", "bigram", "lstm", "transformer"])
def test_a_file_made_here_is_the_run_that_it_was_and_goes_on(store: RunStore, architecture: str) -> None:
    run, content = trained(store, config_of(architecture))
    mine = take_in(store, content, name="again")
    assert (mine.state, mine.step, mine.config, mine.name) == (RunState.FINISHED, 12, run.config, "again")
    assert mine.losses == pytest.approx(run.losses)
    before = take_home(store, mine.id).artifact.model.flat
    assert before.equal(take_home(store, run.id).artifact.model.flat) and len(store.samples(mine.id))
    longer = run_inline(store, store.continue_run(mine.id, max_steps=40).id)
    assert (longer.state, longer.step, store.history(mine.id).step.min()) == (RunState.FINISHED, 40, 12)
    assert longer.losses["train_loss"] < mine.losses["train_loss"]


def by_hand(**changed: object) -> bytes:
    """What the docstring of Artifact asks for: random tensors, and the metadata."""
    vocab = Vocab.from_words(WORDS)
    tensors = {name: torch.randn(shape) for name, shape in MODEL.shapes(vocab.size).items()}
    values = {"format": "makemore-lab/2", "version": "me", "config": config_of().to_dict(), "vocab": vocab.symbols}
    values |= {"losses": {}, "step": 0} | changed
    return save(tensors, {key: json.dumps(value) for key, value in values.items()})


def test_a_file_made_by_hand_is_a_run_that_can_be_continued(store: RunStore) -> None:
    run = take_in(store, by_hand(losses={"val_loss": 0.1}))
    assert run.state is RunState.STOPPED and run.losses["val_loss"] > 1  # measured here, not believed
    assert run_inline(store, store.continue_run(run.id).id).state is RunState.FINISHED


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"step": 13}, "step must be at most max_steps, 12, got 13"),
        ({"vocab": ["", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: Vocab.from_words(WORDS).size - 1]]}, "vocab must be that of"),
        ({"config": config_of().to_dict() | {"corpus_sha256": "0" * 64}}, "corpus must be in the store"),
        ({"format": "pickle"}, "weights file format must be"),
    ],
)
def test_what_does_not_fit_is_refused_and_not_kept(store: RunStore, changed: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}"):
        take_in(store, by_hand(**changed))
    assert store.count() == 0


def damaged(content: bytes, random: Random) -> bytes:
    """Some bytes of a file changed, mostly of its header, and sometimes its end cut off."""
    changed, header = bytearray(content), 8 + struct.unpack("<Q", content[:8])[0]
    for _ in range(random.randint(1, 4)):
        changed[random.randrange(random.choice([8, header, header, len(content)]))] = random.randrange(256)
    return bytes(changed[: random.choice([len(content)] * 3 + [random.randrange(len(content))])])


def test_a_damaged_file_is_a_run_or_refused_in_a_sentence(store: RunStore) -> None:
    random, content, kept = Random(1), by_hand(), 0
    for _ in range(FUZZED):
        try:
            run = take_in(store, damaged(content, random))
        except ValueError as error:
            assert str(error)
        else:
            kept += 1
            assert all(map(math.isfinite, run.losses.values()))
        assert store.count() == kept
    assert 0 < kept < FUZZED / 2


def with_header(header: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header


def nasty(name: str) -> bytes:
    """Files that are small for what they ask for."""
    zero, text = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}, {"format": '"makemore-lab/2"', "config": "{}"}
    text |= {"version": '"1"', "losses": "{}", "step": "1", "vocab": f"[{'{},' * 2_700_000}1]"}
    headers: dict[str, object] = {
        "shapes": {"C": zero | {"shape": [2**40, 2**20]}},
        "tensors": {f"t{i}": zero for i in range(90_000)},
        "vocabulary": {"__metadata__": text},
        "header": {"__metadata__": text | {"more": " " * MAX_HEADER_BYTES}},
    }
    return with_header(json.dumps(headers[name]).encode())


PEAK = """
import resource, sys
from mmcore.export.artifact import load
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
content = open(sys.argv[1], "rb").read()
before = peak()
try: load(content)
except ValueError as error: print(peak() - before, error)
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("shapes", "weights file must be a whole .safetensors file"),
        ("tensors", "weights file must have at most 10,000 tensors, got 90,000"),
        ("vocabulary", "RunConfig fields must be at least corpus_sha256"),
        ("header", "weights file header must be at most 8,388,608 bytes"),
    ],
)
def test_a_file_takes_no_more_memory_than_thirty_times_its_longest_header(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "nasty.safetensors").write_bytes(nasty(name))
    command = [sys.executable, "-c", PEAK, str(tmp_path / "nasty.safetensors")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    taken, _, sentence = done.stdout.partition(" ")
    assert sentence.startswith(said) and int(taken) < 30 * MAX_HEADER_BYTES


def test_the_command_adds_a_file_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMCORE_STORE", str(tmp_path / "other.sqlite"))
    (tmp_path / "words.txt").write_text("\n".join(WORDS))
    (tmp_path / "m.safetensors").write_bytes(by_hand())
    refused = CliRunner().invoke(app, ["runs", "add", str(tmp_path / "m.safetensors")])
    assert refused.exit_code == 2 and "(--data), got none such in the store" in refused.stderr
    added = CliRunner().invoke(
        app, ["runs", "add", str(tmp_path / "m.safetensors"), "--data", str(tmp_path / "words.txt"), "--name", "mine"]
    )
    assert added.exit_code == 0
    assert [(run.id, run.name) for run in RunStore().runs()] == [(added.stdout.strip(), "mine")]


def test_words_that_come_with_us_need_not_be_named_whatever_else_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMCORE_STORE", str(tmp_path / "other.sqlite"))
    RunStore().add_corpus(corpus_from_words(WORDS, "others"))
    run = exported.trained(
        model_config(embedding_dim=2, hidden_sizes=(4,)), gallery_corpus("hebrew").words, max_steps=2
    )
    (tmp_path / "m.safetensors").write_bytes(run.artifact.to_bytes())
    added = CliRunner().invoke(app, ["runs", "add", str(tmp_path / "m.safetensors")])
    assert added.exit_code == 0, added.stderr
    assert RunStore().run(added.stdout.strip()).config == run.config
