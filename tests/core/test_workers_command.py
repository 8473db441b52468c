"""``workers`` and ``runs show``: where runs are trained, said on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mmcore.cli
from mmcore import BUNDLED_NAMES, RunConfig, RunStore, read_words
from mmcore.jobs import dask, scheduler
from mmcore.process import place, this_process

HOST, PID = place(this_process()) or ("", 0)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """With two runs in training by this process, and one that waits."""
    monkeypatch.setenv("MMCORE_STORE", str(tmp_path / "store.sqlite"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("MMCORE_SCHEDULER", raising=False)
    made = RunStore()
    config = RunConfig(corpus_sha256=made.add_corpus(read_words(BUNDLED_NAMES)))
    for name in ("first", "sec[o]nd", "third"):
        run = made.create(config, name=name)
        if name != "third":
            made.claim(run.id)
    return made


def said(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(mmcore.cli.app, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_workers_are_those_that_have_runs_and_how_many_wait(store: RunStore) -> None:
    code, out, _ = said("workers")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "2 runs in training, 1 queued."
    assert sum(f"{PID} on {HOST}" in line for line in lines) == 1, "a process is named once"
    steps = f"0 of {store.runs()[0].max_steps:,}"
    assert any("sec[o]nd" in line and steps in line for line in lines)
    values = json.loads(said("workers", "--json")[1])
    assert (values["queued"], values["scheduler"]) == (1, None)
    (process,) = values["processes"]
    assert (process["host"], process["pid"]) == (HOST, PID)
    assert {run["name"] for run in process["runs"]} == {"first", "sec[o]nd"}
    assert 0 <= process["silent_seconds"] < 60


def test_a_scheduler_that_does_not_answer_is_said_after_what_the_store_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "CONNECT_SECONDS", 0.3)
    monkeypatch.setenv("MMCORE_SCHEDULER", "tcp://127.0.0.1:9")
    code, out, err = said("workers")
    assert code == 2 and out.startswith("2 runs in training")
    assert err == "Error: the scheduler at tcp://127.0.0.1:9 does not answer within 0.3 s\n"


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "tcp://:8786", "tcp://host", "tcp://host:port", "tcp://host:0"])
def test_what_is_no_address_of_a_scheduler_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMCORE_SCHEDULER", address)
    problem = f"MMCORE_SCHEDULER must be the address of a Dask scheduler, such as tcp://host:8786, got '{address}'"
    for command in (["workers"], ["sweep", "run", "--axis", "context_size=1,2"]):
        assert said(*command)[::2] == (2, f"Error: {problem}\n")


def test_a_scheduler_without_dask_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "find_spec", lambda name: None)
    monkeypatch.setenv("MMCORE_SCHEDULER", "tcp://host:8786")
    problem = "MMCORE_SCHEDULER must be left out unless makemore-lab[cluster] is installed, got 'tcp://host:8786'"
    assert said("workers")[2] == f"Error: {problem}\n"


def test_a_run_says_on_which_process_it_was_trained(store: RunStore) -> None:
    run = store.runs()[-1]
    out = said("runs", "show", run.id)[1]
    assert f"process {PID} on {HOST}" in out
    assert json.loads(said("runs", "show", run.id, "--json")[1])["worker"] == this_process()
