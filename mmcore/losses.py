"""What a run's exact losses are called, which of them are sealed, and how a loss is written. No torch here."""

from __future__ import annotations

import math
from collections.abc import Mapping

SHOWN = ("train_loss", "val_loss", "val_loss_unseen")
"""Losses that every page, table and command may show."""
SEALED = ("test_loss", "test_loss_unseen")
"""Losses of the test split: computed and stored, and shown only once someone has opened them on purpose."""
LOSSES = SHOWN + SEALED


def without_sealed(losses: Mapping[str, float]) -> dict[str, float]:
    """What may be shown of a model's losses while its test split is sealed."""
    return {name: loss for name, loss in losses.items() if name not in SEALED}


def nats(loss: float, decimals: int = 4) -> str:
    """A loss to some decimals; of a run that went astray, its size."""
    return f"{loss:,.{decimals}f}" if abs(loss) < 1e6 else "∞" if math.isinf(loss) else f"{loss:.3g}"
