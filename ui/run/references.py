"""What a run has to beat, and is drawn beside: the losses of counting."""

from __future__ import annotations

from mmcore.config import RunConfig
from ui import session

QUICK = 60_000  # words whose contexts are counted within a second
KNESER_NEY = "Kneser-Ney"


def references(config: RunConfig) -> dict[str, float]:
    """Validation losses by name; Kneser-Ney counts contexts no longer than the model's, of a corpus of usual size."""
    simple = session.baselines(config.corpus_sha256, config.split)
    known = {name.capitalize(): loss for name, loss in simple.items()}
    if len(session.corpus(config.corpus_sha256).words) > QUICK:
        return known
    return known | {KNESER_NEY: session.kneser_ney(config.corpus_sha256, config.split, config.model.context_size)}
