"""The names of losses: one list of them, and one rule for what is sealed."""

from __future__ import annotations

import re
from pathlib import Path

from mmcore.losses import LOSSES, SEALED, SHOWN, without_sealed

ROOT = Path(__file__).resolve().parents[2]


def test_what_is_sealed_is_left_out_and_nothing_else() -> None:
    everything = dict.fromkeys(LOSSES, 2.0) | {"test_los": 1.0}
    assert without_sealed(everything) == dict.fromkeys(SHOWN, 2.0) | {"test_los": 1.0}
    assert set(SHOWN) | set(SEALED) == set(LOSSES)


def test_the_losses_are_listed_and_the_sealed_ones_named_in_one_place() -> None:
    listed = r'"train_loss", "val_loss", "val_loss_unseen"|"test_loss", "test_loss_unseen"|startswith\("test'
    sources = [path for folder in ("mmcore", "ui", "app_pages") for path in (ROOT / folder).rglob("*.py")]
    today = [path for path in sources if "migrations" not in path.parts]  # what those do is fixed
    found = {str(path.relative_to(ROOT)) for path in today if re.search(listed, path.read_text("utf-8"))}
    assert found == {"mmcore/losses.py"}
