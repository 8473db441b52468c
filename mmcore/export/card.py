"""A model card: what a run's model is, computed from the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..sample import drawn_words, labels
from ..version import __version__
from . import markdown
from .artifact import plain_torch
from .figures import figures

if TYPE_CHECKING:
    from .trained import Trained

DRAWN, SHOWN, SAMPLE_SEED = 200, 10, 0


def model_card(trained: Trained) -> str:
    """The card, in Markdown."""
    artifact, config = trained.artifact, trained.config
    drawn = drawn_words(artifact.model, artifact.vocab, DRAWN, SAMPLE_SEED)
    new = labels(drawn, trained.dataset.splits).count("new")
    parts = {
        "Data": markdown.data(trained),
        "Losses": [
            *markdown.losses(figures(trained)),
            "",
            f"Exact, over whole splits. The intervals are bootstraps over {trained.corpus.item}s. "
            "The test split was not looked at.",
        ],
        "Samples": [
            *markdown.words(drawn[:SHOWN]),
            "",
            f"Of {DRAWN} {trained.corpus.item}s drawn, {new} occur in no split.",
        ],
        "Settings": markdown.settings(trained),
        "How to load it": [
            "With the file `model.safetensors` of the same run, the export `weights`:",
            "",
            *(f"    {line}" for line in plain_torch(config.model).splitlines()),
        ],
    }
    parameters = f"{config.model.parameters(artifact.vocab.size):,}"
    lines = [
        f"# {markdown.plain(trained.name)}",
        "",
        f"{markdown.plain(config.model.summary())}; {parameters} parameters, trained for {artifact.step:,} steps "
        f"with Makemore Lab {__version__}.",
    ]
    for title, part in parts.items():
        lines += ["", f"## {title}", "", *part]
    return "\n".join(lines) + "\n"
