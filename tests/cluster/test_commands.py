"""What README says of several machines, run as it stands; and that compose.yaml says the same."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from glob import glob
from pathlib import Path
from typing import Any

import yaml

from mmcore import BUNDLED_NAMES, RunConfig, RunState, RunStore, TrainConfig, read_words
from mmcore.process import place
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
POSTGRES = shutil.which("initdb") or max(glob("/usr/lib/postgresql/*/bin/initdb"), default="")


def commands() -> list[str]:
    """Of README's part on several machines, the first block: PostgreSQL, scheduler, worker, app."""
    part = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## On several machines\n")[2]
    return part.split("```")[1].strip().splitlines()


def with_free_ports(lines: list[str]) -> list[str]:
    """The same with other ports, as those may be taken."""
    ports = {port for line in lines for port in re.findall(r"\b(5432|8786|8501)\b", line)}
    assert ports == {"5432", "8786", "8501"}
    with ExitStack() as taken:
        free = {port: taken.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for port in ports}
    return [re.sub(r"\b(5432|8786|8501)\b", lambda found: str(free[found[1]]), line) for line in lines]


@contextmanager
def started(command: str, folder: Path, log: Path, *before: str) -> Iterator[None]:
    """A command line in a shell of its own, with what this installation has first on its path."""
    first = (log.parent, Path(sys.executable).parent, Path(POSTGRES).parent)
    path = os.pathsep.join([*map(str, first), os.environ["PATH"]])
    with log.open("a") as file:
        process = subprocess.Popen(
            [*before, "bash", "-c", command],
            cwd=folder,
            env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},  # as if it were installed
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def database(command: str, log: Path) -> Iterator[None]:
    """PostgreSQL in a folder that a user without rights may write to, as root is refused by it."""
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        with started(command, Path(folder), log, *nobody):
            yield


def health(url: str) -> dict[str, Any]:
    """What the app answers; nothing before it does."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as refused:
        return dict(json.load(refused)) if refused.code == 503 else {}
    except OSError:
        return {}


def test_the_four_commands_of_readme_train_a_run_on_the_cluster(tmp_path: Path) -> None:
    postgres, *others, app = with_free_ports(commands())
    shim, log = tmp_path / "makemore-lab", tmp_path / "log"  # the command of an installation
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from mmcore.__main__ import main; main()" "$@"\n')
    shim.chmod(0o755)
    if not POSTGRES:
        app = re.sub(r"postgresql\S+", str(tmp_path / "store.sqlite"), app)
    url = "http://127.0.0.1:" + re.findall(r"--port (\d+)", app)[0]
    with ExitStack() as running:
        if POSTGRES:
            running.enter_context(database(postgres, log))
        for line in (*others, app):
            running.enter_context(started(line, tmp_path, log))
        try:
            until(lambda: health(url).get("workers") == 2, "the app has the cluster's two threads")
            trained_on_the_cluster(re.findall(r"MMCORE_STORE=(\S+)", app)[0])
            assert health(url) == health(url) | {"store": "ok", "queue": "ok", "queued": 0, "running": 0}
        except AssertionError as problem:
            raise AssertionError(f"{problem}\n{log.read_text()[-3000:]}") from problem


def trained_on_the_cluster(url: str) -> None:
    """A run that is queued in a store is finished by the worker of README's third command."""
    with closing(RunStore(url)) as store:
        sha256 = store.add_corpus(read_words(BUNDLED_NAMES))
        run_id = store.create(RunConfig(corpus_sha256=sha256, train=TrainConfig(max_steps=20))).id
        until(lambda: store.run(run_id).state is RunState.FINISHED, "the run is trained")
        _, pid = place(store.run(run_id).worker) or ("", 0)
    assert {"worker", "--nthreads"} < set(Path(f"/proc/{pid}/cmdline").read_text().split("\0"))


def test_compose_starts_the_same_with_the_same_settings_and_holds_no_password() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    found = yaml.safe_load(text)
    services = found["services"]
    assert set(services) == {"postgres", "scheduler", "worker", "app"}
    assert all(service["healthcheck"]["test"][0] == "CMD" for service in services.values())
    for service in services.values():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in services and how == {"condition": "service_healthy"}
    (volume,) = services["postgres"]["volumes"]
    assert volume.partition(":")[0] in found["volumes"]
    _, scheduler, worker, app = commands()
    for name, line in (("scheduler", scheduler), ("worker", worker)):
        said = dict(re.findall(r"(DASK_\w+)=(\S+)", line))
        assert said and said.items() <= services[name]["environment"].items()
        kept = {word for word in shlex.split(line) if word.startswith("--")} - {"--host"}
        assert kept <= set(services[name]["command"]), "the options of README's command"
    assert services["worker"]["command"][2] == services["app"]["environment"]["MMCORE_SCHEDULER"]
    store = services["app"]["environment"]["MMCORE_STORE"]
    assert store.startswith(re.findall(r"MMCORE_STORE=(\S+?)@", app)[0])
    passwords = [
        value for service in services.values() for key, value in service["environment"].items() if "PASSWORD" in key
    ]
    assert len(passwords) == 3 and all(re.fullmatch(r"\$\{PGPASSWORD:\?.*\}", value) for value in passwords)
    assert "PASSWORD" not in str(services["scheduler"]) and not re.search(r"://\w+:\S+@", text)
