"""Text on a page: other people's as it is, never as markup; losses to four decimals."""

from __future__ import annotations

import re

from mmcore.fields import cut as cut
from mmcore.losses import nats as nats
from mmcore.spreadsheet import csv as csv

LOSSES: dict[str, str] = {
    "train_loss": "Train loss",
    "val_loss": "Validation loss",
    "val_loss_unseen": "Loss on unseen words",
}
"""The losses that are no secret, as they are called on screen. The test losses belong to the page Splits."""

# Markdown makes links of addresses even where all markup is escaped, so an invisible word joiner goes into them.
_LINK = re.compile(r"(?:https?|ftp|mailto):(?=\S)|www(?=\.)|@(?=\w)", re.IGNORECASE)
_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-!|$:<>~^.&])")


def plain(text: object) -> str:
    """Text for a place that reads markdown (a label, an error box), with everything special escaped."""
    unlinked = _LINK.sub("\\g<0>\u2060", str(text).replace("\n", " "))
    return _MARKUP.sub(r"\\\1", unlinked)


def counted(count: int, what: str) -> str:
    """So many of something whose plural ends in s: ``1 run``, ``2,000 runs``."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
