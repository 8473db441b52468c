"""A run as it leaves the store: all that its files are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .fields import require

if TYPE_CHECKING:
    from .export.trained import Trained
    from .store import RunStore


def take_home(store: RunStore, run_id: str) -> Trained:
    """A run of the store, for :data:`mmcore.export.FORMATS` to write.

    Raises
    ------
    ValueError
        If there is no such run, or it has saved no weights.
    """
    from .export.artifact import load
    from .export.trained import Trained

    run, weights = store.run(run_id), store.weights(run_id)
    require(weights is not None, "run", "one with saved weights", f"{run_id}, which is {run.state}")
    return Trained(
        run_id=run.id,
        name=run.name,
        created=run.created.isoformat(timespec="seconds"),
        artifact=load(weights or b""),
        corpus=store.corpus(run.config.corpus_sha256),
        curve=store.history(run_id),
        checkpoints=tuple(store.checkpoints(run_id)),
    )
