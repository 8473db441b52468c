"""A run's curve for TensorBoard: one event file."""

from __future__ import annotations

import math
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .trained import Trained

TAGS = {  # of the curve's columns; those under one name before the stroke share a panel
    "train_loss": "loss/train",
    "val_loss": "loss/validation",
    "val_loss_unseen": "loss/validation, unseen words",
    "batch_loss": "loss/batch",
    "learning_rate": "learning rate",
}


def event_files(trained: Trained) -> dict[str, bytes]:
    """The event file, in a folder with the run's id; a point's time is the run's beginning and the seconds since."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    began = datetime.fromisoformat(trained.created).timestamp()
    with tempfile.TemporaryDirectory() as folder:
        writer = EventFileWriter(folder)
        for point in trained.curve.to_dict("records"):
            values = [
                Summary.Value(tag=tag, simple_value=point[column])
                for column, tag in TAGS.items()
                if column in point and math.isfinite(point[column])
            ]
            time = began + float(point["seconds"])
            writer.add_event(Event(wall_time=time, step=int(point["step"]), summary=Summary(value=values)))
        writer.close()
        (made,) = Path(folder).iterdir()
        content = made.read_bytes()
    return {f"tensorboard/{trained.run_id}/events.out.tfevents.{int(began)}.makemore": content}
