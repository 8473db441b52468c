"""The learning rate of each update. No torch here."""

from __future__ import annotations

from .config import TrainConfig

WARM_UP = 0.2  # share of a one-cycle schedule spent climbing to the learning rate
STEP_AT, STEP_FACTOR = 0.5, 0.1  # the lecture: half of the updates at 0.1, half at 0.01


def learning_rate_at(config: TrainConfig, step: int) -> float:
    """The learning rate of the update after ``step`` updates.

    ``step``: a tenth of it in the second half. ``one-cycle``: linear climb, then linear descent to zero
    (Smith & Topin 2018). ``linear``: descent to zero from the first update on. ``inverse-time``: ε₀ / (1 + r·t),
    section 3.1 of Bengio et al. (2003).
    """
    rate, done = config.learning_rate, step / config.max_steps
    if config.schedule == "step":
        return rate if done < STEP_AT else rate * STEP_FACTOR
    if config.schedule == "inverse-time":
        return rate / (1 + config.decay_rate * step)
    if config.schedule == "one-cycle":
        climb = (step + 1) / max(1, WARM_UP * config.max_steps)
        return rate * min(1.0, climb, (1 - done) / (1 - WARM_UP))
    if config.schedule == "linear":
        return rate * (1 - done)
    return rate
