"""How long a page's script takes with one stored run and with many: ``python -m benchmarks.many_runs [RUNS [NAME]]``.

Every page in a session of its own by Streamlit's AppTest, in this process and without a browser, after what a server
keeps is warm: seconds from a click on the navigation to the end of the script. The processor's seconds are this
process's; on a machine that other work shares they say more than those of the clock. NAME is what the results call this
measurement. Needs requirements-dev.txt.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from benchmarks.report import RESULTS
from mmcore import BUNDLED_NAMES, RunConfig, RunStore, TrainConfig, read_words
from mmcore.architectures import model_config
from mmcore.jobs import run_inline
from mmcore.store.schema import CHECKPOINTS, RUNS, SAMPLES, STEPS
from ui import pages, session

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("home", "runs", "train", "splits", "lessons", "embeddings", "generate")
REPEATS = 7
KEPT = RESULTS / "many-runs.json"
OWNER = "someone"  # all runs are the visitor's own, as on a machine for one


def fill(url: str, runs: int) -> None:
    """A store with so many finished runs: one that was trained, and copies with other seeds, losses and seconds."""
    with closing(RunStore(url)) as store:
        sha256 = store.add_corpus(read_words(BUNDLED_NAMES))
        model = model_config(embedding_dim=4, hidden_sizes=(20,))
        config = RunConfig(corpus_sha256=sha256, model=model, train=TrainConfig(max_steps=300))
        first = run_inline(store, store.create(config, owner=OWNER).id)
        for seed in range(2, runs + 1):
            store.create(config.replace(train=config.train.replace(seed=seed)), name=f"Seed {seed}")
    engine = sa.create_engine(url)
    with engine.begin() as database:
        own = {"id", "name", "config", "created", "queued", "config_digest"}
        of_first = dict(database.execute(sa.select(RUNS).where(RUNS.c.id == first.id)).mappings().one())
        database.execute(sa.update(RUNS).values({name: of_first[name] for name in of_first.keys() - own}))
        other = sa.update(RUNS).where(RUNS.c.id == sa.bindparam("run"))
        other = other.values(losses=sa.bindparam("other_losses"), seconds=sa.bindparam("other_seconds"))
        ids = database.scalars(sa.select(RUNS.c.id).where(RUNS.c.id != first.id).order_by(RUNS.c.id)).all()
        rng = random.Random(1)
        changes = [{"run": run_id} | _other(of_first["losses"], of_first["seconds"], rng) for run_id in ids]
        for at in range(0, len(changes), 1_000):
            database.execute(other, changes[at : at + 1_000])
        for table in (STEPS, SAMPLES, CHECKPOINTS):
            rest = [column for column in table.c if column.name != "run_id"]
            copies = sa.select(RUNS.c.id, *rest).where(table.c.run_id == first.id, RUNS.c.id != first.id)
            database.execute(sa.insert(table).from_select(["run_id", *(column.name for column in rest)], copies))
        if engine.dialect.name == "postgresql":  # what it knows of its tables: by itself, within a minute of a change
            database.execute(sa.text("ANALYZE"))
    engine.dispose()


def _other(losses: str, seconds: float, rng: random.Random) -> dict[str, str | float]:
    """As another seed might have come out."""
    away = rng.gauss(0, 0.01)
    changed = {name: loss + away for name, loss in json.loads(losses).items()}
    return {"other_losses": json.dumps(changed), "other_seconds": seconds * rng.uniform(0.8, 1.25)}


def opened(page: str) -> tuple[float, float]:
    """Seconds of the clock and of the processor that a page's script takes in a new session."""
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=300)
    app.session_state["visitor"] = OWNER
    app.run()
    app = app.switch_page(f"app_pages/{page}.py") if page != "home" else app
    clock, processor = time.perf_counter(), time.process_time()
    app.run()
    assert not app.exception and app.title[0].value in (pages.BY_NAME[page].title, "Makemore Lab"), app
    return time.perf_counter() - clock, time.process_time() - processor


class NoQueue:
    """Stands in for the queue, whose workers would train beside what is measured."""

    def __init__(self, url: str, workers: object) -> None:
        self.workers = workers

    def start(self) -> None: ...

    def close(self) -> None: ...


def measure(url: str) -> dict[str, dict[str, list[float]]]:
    """Both kinds of seconds for every page, once per repeat; the first script run of each page is not counted."""
    with patch.dict(os.environ, MMCORE_STORE=url), patch("mmcore.jobs.JobQueue", NoQueue):
        for kept in (session.store, session.queue, session.corpus):
            kept.clear()
        found = {}
        for page in PAGES:
            opened(page)
            clock, processor = zip(*(opened(page) for _ in range(REPEATS)), strict=True)
            found[page] = {"clock": list(clock), "processor": list(processor)}
        session.store().close()
    return found


def main() -> None:
    """Measure, print, keep."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    name = sys.argv[2] if len(sys.argv) > 2 else "now"
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for count in (1, runs):
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{folder}/store.sqlite"
            fill(url, count)
            found[str(count)] = measure(url)
    measured = {"runs": runs, "load": os.getloadavg()[0], "seconds": found}
    known = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    KEPT.write_text(json.dumps(known | {name: measured}, indent=1) + "\n")
    for page in PAGES:
        for many, waits in found.items():
            clock, processor = (statistics.median(waits[page][kind]) for kind in ("clock", "processor"))
            print(f"{page:12} {many:>6} runs  clock {clock:.2f}  processor {processor:.2f}")


if __name__ == "__main__":
    main()
