"""A model as the modules in ``web/`` read it, and the modules as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..installation import APP_FOLDER

if TYPE_CHECKING:
    from ..model import Model

WEB = APP_FOLDER / "web"
NETWORK = ("forward.js", "sampling.js", "text.js")  # of every module that computes with a model's weights


def source(*parts: str) -> str:
    """Files of ``web/`` as one module, in this order."""
    return "\n".join((WEB / part).read_text("utf-8") for part in parts)


def described(model: Model) -> dict[str, Any]:
    """What forward.js needs of a model beside its numbers: its settings, and where in ``flat`` each tensor lies."""
    from ..model import views

    named = views(model.flat, model.config.shapes(model.vocab_size))
    layout = {name: [view.storage_offset(), list(view.shape)] for name, view in named.items()}
    return {"config": model.config.to_dict(), "layout": layout}
