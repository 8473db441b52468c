"""What this program logs: as text or JSON, with what it is about, from servers and workers alike."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmcore import BUNDLED_NAMES, RunConfig, RunStore, TrainConfig, read_words
from mmcore.logs import LOG, about, write_logs
from mmcore.process import this_process

ROOT = Path(__file__).resolve().parents[2]
log = logging.getLogger("mmcore.test")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """No handler of ours outlives a test."""
    root = logging.getLogger()
    handlers, levels = list(root.handlers), {name: logging.getLogger(name).level for name in ("mmcore", "ui")}
    yield
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_as_json_a_message_is_one_object_with_what_it_is_about(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(LOG, "json")
    write_logs(worker=True)
    with about(run="ab12"), about(sweep="cd34"):
        log.info("two\nlines of %s", "„x“")
    log.warning("of another", extra={"run": "ef56"})
    try:
        raise ValueError("what went wrong")
    except ValueError:
        log.exception("it failed")
    first, second, third = map(json.loads, capsys.readouterr().err.splitlines())
    assert first.pop("time").endswith("+00:00")
    facts = {"run": "ab12", "sweep": "cd34", "worker": this_process()}
    assert first == {"level": "info", "logger": "mmcore.test", "message": "two\nlines of „x“", **facts}
    assert (second["run"], "sweep" in second) == ("ef56", False), "what was said for the first is over"
    assert "ValueError: what went wrong" in third["error"]


def test_as_text_a_line_says_what_its_message_does_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(LOG, "text")
    write_logs()
    write_logs()  # again: still one line a message
    with about(run="ab12", sweep="cd34"):
        log.info("run ab12 begins")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(" INFO mmcore.test: run ab12 begins (sweep cd34)")


def test_without_a_wish_only_warnings_are_written_and_no_other_style_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(LOG, raising=False)
    write_logs()
    log.info("nobody asked")
    log.warning("look here")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(" WARNING mmcore.test: look here")
    monkeypatch.setenv(LOG, "xml")
    with pytest.raises(ValueError, match="MMCORE_LOG must be one of text, json, got 'xml'"):
        write_logs()


def test_libraries_with_handlers_of_their_own_write_json_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = logging.getLogger("distributed.of.this.test")
    theirs.propagate = False
    theirs.addHandler(logging.StreamHandler())
    monkeypatch.setenv(LOG, "json")
    write_logs()
    theirs.warning("a worker left")
    assert json.loads(capsys.readouterr().err)["message"] == "a worker left"


TRAIN = """
import sys, threading
from mmcore.jobs import JobQueue, ProcessWorkers
from mmcore.store import RunStore
store, run_id = RunStore(sys.argv[1]), sys.argv[2]
with JobQueue(store.url, ProcessWorkers(1)):
    while not store.run(run_id).ended:
        threading.Event().wait(0.05)
"""


def test_a_worker_process_logs_when_its_run_begins_and_ends(tmp_path: Path) -> None:
    """Of a server of its own: the process that workers are forked from writes where the first server wrote."""
    store = RunStore(str(tmp_path / "store.sqlite"))
    config = RunConfig(corpus_sha256=store.add_corpus(read_words(BUNDLED_NAMES)), train=TrainConfig(max_steps=5))
    run_id = store.create(config).id
    server = [sys.executable, "-c", TRAIN, store.url, run_id]
    ended = subprocess.run(server, cwd=ROOT, env=os.environ | {LOG: "json"}, capture_output=True, text=True, check=True)
    run, lines = store.run(run_id), ended.stderr.splitlines()
    said = [json.loads(line) for line in lines]
    about_it = [(line["message"], line["worker"]) for line in said if line.get("run") == run_id]
    steps = ("begins at step 0 of 5", "is finished at step 5")
    assert about_it == [(f"run {run_id} {step}", run.worker) for step in steps]
    store.close()
