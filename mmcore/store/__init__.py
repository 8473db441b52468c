"""The run store: every run, its curve, samples and weights, and the corpora, in one SQL database.

The store is the only channel between the worker that trains a run and whoever looks at it. A worker owns a run
by its token: claiming is one conditional UPDATE that sets a fresh token, every later write carries it, and a
write with an old one raises :class:`StaleToken`. Every write renews a lease; whoever finds a lease expired, and
does not know the worker to live, marks the run interrupted. A worker that was only slow takes it back. Readers
never wait for writers (SQLite in WAL mode), and nothing here imports torch.
"""

from __future__ import annotations

from .bin import KEPT_SECONDS as KEPT_SECONDS
from .branches import Ancestor as Ancestor
from .points import MAX_POINTS as MAX_POINTS
from .points import MAX_SAMPLES as MAX_SAMPLES
from .points import Progress as Progress
from .points import SavedWeights as SavedWeights
from .points import thinned as thinned
from .run import ENDED as ENDED
from .run import LIVE as LIVE
from .run import TRANSITIONS as TRANSITIONS
from .run import WORKING as WORKING
from .run import Run as Run
from .run import RunResult as RunResult
from .run import RunState as RunState
from .run import RunSummary as RunSummary
from .run import StaleToken as StaleToken
from .run import StoreUnavailable as StoreUnavailable
from .run import UnreadableRun as UnreadableRun
from .selection import RunFilter as RunFilter
from .size import PARTS as PARTS
from .size import StoreSize as StoreSize
from .store import LEASE_SECONDS as LEASE_SECONDS
from .store import RunStore as RunStore
from .store import new_token as new_token
from .sweeps import StoredSweep as StoredSweep
from .sweeps import SweepRun as SweepRun
from .sweeps import SweepState as SweepState
from .tags import MAX_TAG as MAX_TAG
from .tags import clean_tag as clean_tag
from .transfer import ImportReport as ImportReport
