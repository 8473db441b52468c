"""A run as a plain PyTorch script and as a notebook, in the lecture's style, with no import of this project."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..version import __version__
from . import script_data, script_model, script_training
from .report import unverifiable

if TYPE_CHECKING:
    from .trained import Trained


@dataclass(frozen=True)
class Cell:
    """A piece of the script: what it is, also in the lecture, and its code."""

    title: str
    says: str
    code: str


IMPORTS = "import random\n\nimport torch\nimport torch.nn.functional as F\n\n"


SAMPLERS = {
    "examples": "Rows drawn at random, as in the lecture.",
    "contexts": "Distinct contexts in proportion to how often they occur, each with all that follows it: the expected "
    "gradient is that of the lecture's minibatch, with less noise.",
    "words": "Whole words, every character of them predicted and each beginning read once, with all that follows it.",
}


def cells(trained: Trained) -> list[Cell]:
    """The script, piece by piece."""
    config = trained.config
    reading = script_data.reading(trained)
    imports = ("import json\n" if "json." in reading else "") + IMPORTS
    return [
        Cell(
            trained.name,
            f"{config.model.summary()}. {_promise(trained)} Needs PyTorch, and the file of words beside it.",
            imports + f"torch.set_num_threads({config.train.threads})  # more change the order of sums",
        ),
        Cell("Words and vocabulary", "The lecture's first cells.", reading),
        Cell(
            "Dataset and splits",
            "The lecture's build_dataset: Xtr, Ytr to train on, Xdev, Ydev to choose settings by.",
            script_data.splitting(trained),
        ),
        Cell("Batches", SAMPLERS[config.train.sampler], script_data.batches(trained)),
        Cell(
            "Parameters", "Drawn in this order from one generator, as in the lecture.", script_model.parameters(trained)
        ),
        Cell(
            "Forward pass",
            "From contexts to logits; the lecture writes it inside the loop.",
            script_model.forward(trained),
        ),
        Cell("Training", "The lecture's loop: forward pass, backward pass, update.", script_training.loop(trained)),
        Cell("Losses", "Exact, over the whole split, as the lecture's split_loss.", script_training.losses(trained)),
        Cell("Samples", "The lecture's last cell.", script_training.sampling(trained)),
    ]


def _promise(trained: Trained) -> str:
    """What running it gives: the run again, or why another one."""
    run = f"run {trained.run_id} of makemore-lab {__version__}"
    rates = dict(zip(trained.curve["step"], trained.curve["learning_rate"], strict=True))
    if why := unverifiable(trained.config.train, rates):
        return f"Trains from the first step on with the settings of {run}. The weights will be others: {why}."
    return f"Rebuilds {run}: data, model and training, with its seeds."


def script(trained: Trained) -> str:
    """The Python file."""
    parts = [f"# ---- {cell.title}\n{_comment(cell.says)}\n\n{cell.code}" for cell in cells(trained)]
    return "\n\n".join(parts) + "\n"


def _comment(text: str) -> str:
    return "\n".join(f"# {line}" for line in textwrap.wrap(text, 116))


def script_files(trained: Trained) -> dict[str, bytes]:
    """The script and its words."""
    return {"makemore.py": script(trained).encode()} | script_data.words_file(trained)


def notebook_files(trained: Trained) -> dict[str, bytes]:
    """The notebook and its words: format 4.5 of nbformat, which Jupyter opens."""
    found: list[dict[str, Any]] = []
    for number, cell in enumerate(cells(trained)):
        heading = f"{'##' if number else '#'} {cell.title}\n\n{cell.says}"
        found.append({"cell_type": "markdown", "id": f"says-{number}", "metadata": {}, "source": heading})
        code = {"cell_type": "code", "id": f"code-{number}", "metadata": {}, "source": cell.code}
        found.append(code | {"execution_count": None, "outputs": []})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook = {"cells": found, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return {"makemore.ipynb": json.dumps(notebook, indent=1, ensure_ascii=False).encode()} | script_data.words_file(
        trained
    )
