"""Text on a page: other people's as it is, never as markup; losses to four decimals."""

from __future__ import annotations

import math
import re

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-!|$:<>~^.&])")


def plain(text: object) -> str:
    """Text for a place that reads markdown (a label, an error box), with everything special escaped."""
    return _MARKUP.sub(r"\\\1", str(text).replace("\n", " "))


def nats(loss: float, decimals: int = 4) -> str:
    """A loss to some decimals; of a run that went astray, its size."""
    return f"{loss:,.{decimals}f}" if abs(loss) < 1e6 else "∞" if math.isinf(loss) else f"{loss:.3g}"
