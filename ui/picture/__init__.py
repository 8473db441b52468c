"""The network drawn with its own numbers: computed in the browser, from weights that are sent once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmcore import Model

HERE = Path(__file__).parent


def described(model: Model) -> dict[str, Any]:
    """What forward.js needs of a model beside its numbers: its settings, and where in ``flat`` each tensor lies."""
    from mmcore.model import views

    named = views(model.flat, model.config.shapes(model.vocab_size))
    layout = {name: [view.storage_offset(), list(view.shape)] for name, view in named.items()}
    return {"config": model.config.to_dict(), "layout": layout}
