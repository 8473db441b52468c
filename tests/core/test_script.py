"""The plain PyTorch script and the notebook: the same run again, in a process that knows nothing of this project."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmcore.architectures import model_config
from mmcore.architectures.interface import ModelConfig
from mmcore.config import TrainConfig
from mmcore.corpus import Corpus
from mmcore.export import FORMATS
from mmcore.export.script import cells, script
from mmcore.export.script_training import learning_rate
from mmcore.export.trained import Trained
from mmcore.schedules import learning_rate_at
from tests.exported import trained
from tests.models import SMALL

STEPS = 120
CASES: dict[str, tuple[ModelConfig, dict[str, Any]]] = {
    "mlp, as in the lecture": (
        model_config(),
        {"optimizer": "sgd", "sampler": "examples", "learning_rate": 0.1, "schedule": "step"},
    ),
    "mlp, drawn as in the lecture": (
        model_config(init="lecture"),
        {"optimizer": "sgd", "sampler": "examples", "learning_rate": 0.1, "schedule": "step"},
    ),
    "mlp, with everything": (
        model_config(hidden_sizes=(30, 20), embedding_dim=4, normalisation="batch", direct=True, dropout=0.1),
        {"sampler": "contexts", "weight_decay": 0.1, "patience": 2, "check_every": 50},
    ),
    "bigram": (model_config(architecture="bigram"), {"optimizer": "sgd", "weight_decay": 0.01, "learning_rate": 1.0}),
    "gru, words longer than its context": (
        model_config(architecture="gru", context_size=5, hidden_size=24, dropout=0.2, state_dropout=0.1),
        {"sampler": "words", "batch_size": 16},
    ),
    "transformer": (
        model_config(architecture="transformer", embedding_dim=16, layers=2, dropout=0.1),
        {"sampler": "words", "batch_size": 16},
    ),
}
REPORT = """
import json, sys
assert "mmcore" not in sys.modules
print(json.dumps({name: found[name] for name in ("lossi", "train_loss", "dev_loss")}))
"""
SCRIPT = f"""
import runpy
found = runpy.run_path("makemore.py")
{REPORT}
"""


def unpacked(trained: Trained, key: str, folder: Path) -> None:
    for name, content in FORMATS[key].files(trained).items():
        (folder / name).write_bytes(content)


@pytest.fixture(scope="module")
def run_of(names: Corpus) -> Callable[[str], Trained]:
    """The run of a case, which is trained once."""

    @cache
    def run(name: str) -> Trained:
        model, settings = CASES[name]
        return trained(model, names.words[:600], **{"max_steps": STEPS} | settings)

    return run


def assert_the_same_run(found: dict[str, Any], run: Trained) -> None:
    ours = run.curve["batch_loss"].dropna().to_numpy()
    assert len(found["lossi"]) == run.artifact.step
    drawn_wide = getattr(run.config.model, "init", "") == "lecture"  # losses far above ln V: rounding grows
    assert np.abs(np.array(found["lossi"])[:100] - ours[:100]).max() < (1e-2 if drawn_wide else 1e-5)
    assert found["train_loss"] == pytest.approx(run.artifact.losses["train_loss"], abs=0.005)
    assert found["dev_loss"] == pytest.approx(run.artifact.losses["val_loss"], abs=0.005)


@pytest.mark.parametrize("name", CASES)
def test_the_script_trains_the_same_run_again(run_of: Callable[[str], Trained], name: str, tmp_path: Path) -> None:
    unpacked(run_of(name), "script", tmp_path)
    done = subprocess.run([sys.executable, "-I", "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_the_same_run(json.loads(done.stdout.splitlines()[-1]), run_of(name))


@pytest.mark.parametrize("patience", [0, 3])
def test_the_script_of_a_stopped_run_ends_where_the_run_did(names: Corpus, patience: int, tmp_path: Path) -> None:
    config = model_config(hidden_sizes=(20,))
    settings = {"max_steps": STEPS, "schedule": "one-cycle", "patience": patience, "check_every": 7}
    run = trained(config, names.words[:600], stop_at=40, **settings)
    unpacked(run, "script", tmp_path)
    done = subprocess.run([sys.executable, "-I", "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_the_same_run(json.loads(done.stdout.splitlines()[-1]), run)
    assert "# the run was stopped here, of 120 updates" in script(run)


@pytest.mark.parametrize("name", [name for name in CASES if name != "mlp, drawn as in the lecture"])
def test_the_notebook_trains_the_same_run_again(run_of: Callable[[str], Trained], name: str, tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    run = run_of(name)
    unpacked(run, "notebook", tmp_path)
    path = tmp_path / "makemore.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert code == [cell.code for cell in cells(run)] and all(part in script(run) for part in code)
    notebook.cells.append(nbformat.v4.new_code_cell(f"found = globals()\n{REPORT}"))
    nbformat.write(notebook, path)
    command = [str(Path(sys.executable).with_name("jupyter-execute")), "--inplace", str(path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_the_same_run(json.loads(nbformat.read(path, as_version=4).cells[-1].outputs[0].text), run)


@pytest.mark.parametrize("name", SMALL)
def test_the_script_of_every_architecture_and_sampler_is_python_of_its_own(names: Corpus, name: str) -> None:
    for sampler in SMALL[name].samplers:
        run = trained(SMALL[name], names.words[:40], max_steps=1, sampler=sampler)
        compile(script(run), "makemore.py", "exec")
        assert "mmcore" not in script(run)


def test_the_script_says_whether_it_rebuilds_the_run(names: Corpus) -> None:
    run = trained(SMALL["mlp"], names.words[:100], schedule="one-cycle")
    train = run.config.train.replace(max_steps=40)  # what training it longer makes of its settings
    longer = replace(run, artifact=replace(run.artifact, config=run.config.replace(train=train)))
    assert "Rebuilds run 3f" in cells(run)[0].says
    assert "Rebuilds" not in cells(longer)[0].says
    assert "The weights will be others: its learning rate at step " in cells(longer)[0].says


@pytest.mark.parametrize("schedule", ["constant", "step", "one-cycle", "linear", "inverse-time"])
def test_the_learning_rate_of_every_update_is_the_runs(schedule: str) -> None:
    config = TrainConfig(max_steps=37, schedule=schedule, learning_rate=0.07)
    for step in range(37):
        scope: dict[str, Any] = {"i": step}
        exec(learning_rate(config), scope)
        assert scope["lr"] == pytest.approx(learning_rate_at(config, step), rel=1e-12)


def test_a_full_stop_and_symbols_of_several_characters_are_kept(tmp_path: Path, names: Corpus) -> None:
    run = trained(model_config(hidden_sizes=(4,)), ["a.b", "b.", ".a", "ab", "ba", "a.", "bb", "aa", "b.a", "a.a"])
    assert "stoi[''] = 0" in script(run)
    assert "words.txt" in FORMATS["script"].files(run)
