"""What a run has to beat, and is drawn beside: the losses of counting."""

from __future__ import annotations

from mmcore.config import RunConfig
from ui import counting, session

KNESER_NEY = "Kneser-Ney"


def references(config: RunConfig) -> dict[str, float]:
    """Validation losses by name; Kneser-Ney counts contexts no longer than the model's, of a corpus of usual size."""
    simple = counting.baselines(config.corpus_sha256, config.split)
    known = {name.capitalize(): loss for name, loss in simple.items()}
    if len(session.corpus(config.corpus_sha256).words) > counting.QUICK:
        return known
    return known | {KNESER_NEY: counting.kneser_ney(config.corpus_sha256, config.split, config.model.context_size)}
