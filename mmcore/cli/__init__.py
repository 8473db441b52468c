"""The command line: ``python -m mmcore train|evaluate|sample|export|report|verify|runs|sweep|workers|corpora``.

Results go to stdout, everything else to stderr. A run trained here is in the same store as the app's. What
needs torch is imported when a command needs it, so that ``--help`` is quick.
"""

from __future__ import annotations

from . import corpora, export, model, report, runs, sweeps, training, transfer, workers
from .app import app as app

__all__ = ["app", "corpora", "export", "model", "report", "runs", "sweeps", "training", "transfer", "workers"]
