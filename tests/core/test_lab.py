"""``makemore-lab``: what it starts the app with, what it refuses, and the commands behind it."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from mmcore import installation
from mmcore.cli import lab as makemore_lab
from mmcore.cli.app import app
from mmcore.store import RunStore, schema

ROOT = Path(__file__).resolve().parents[2]


class Started(Exception):
    """In place of becoming the server: the process goes on as the test's."""


@pytest.fixture(autouse=True)
def no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def started(program: str, command: list[str]) -> None:
        raise Started(program, command, os.environ["MMCORE_STORE"])

    monkeypatch.setattr(os, "execv", started)
    monkeypatch.setenv("MMCORE_STORE", str(tmp_path / "store.sqlite"))


def test_without_a_command_it_becomes_the_server_and_says_where_runs_are(tmp_path: Path) -> None:
    result = CliRunner().invoke(makemore_lab.lab, ["--store", f"{tmp_path}/a.sqlite", "--port", "86", "--no-browser"])
    assert isinstance(result.exception, Started)
    program, command, store = result.exception.args
    assert (program, store) == (sys.executable, f"sqlite:///{tmp_path}/a.sqlite")
    assert command[:6] == [program, "-P", "-m", "streamlit", "run", str(ROOT / "streamlit_app.py")]
    assert {"--server.port=86", "--server.headless=true"} < set(command)
    assert result.stderr == f"Runs are kept in {tmp_path}/a.sqlite\n"
    plain = CliRunner().invoke(makemore_lab.lab, [], env={"MMCORE_STORE": "postgresql://me:secret@host/runs"})
    assert isinstance(plain.exception, Started)
    assert not {word for word in plain.exception.args[1] if "port" in word or "headless" in word}
    assert plain.stderr == "Runs are kept in postgresql://me:***@host/runs\n"


def test_every_command_of_python_m_mmcore_is_its_own_too_with_the_store_it_is_given(tmp_path: Path) -> None:
    assert set(get_command(makemore_lab.lab).commands) == set(get_command(app).commands) >= {"train", "runs", "corpora"}
    path = tmp_path / "other.sqlite"
    fast = ["train", "--max-steps", "2", "--hidden-size", "4"]
    assert CliRunner().invoke(makemore_lab.lab, ["--store", str(path), *fast]).exit_code == 0
    assert len(RunStore(str(path)).runs()) == 1


@pytest.mark.parametrize("option", [("--port", "86"), ("--no-browser",)])
def test_what_is_for_the_app_alone_is_refused_before_a_command(option: tuple[str, ...]) -> None:
    result = CliRunner().invoke(makemore_lab.lab, [*option, "runs", "list"])
    assert result.exit_code == 2
    assert result.stderr == "Error: --port and --no-browser are for the app: leave them out before runs\n"


def test_an_app_that_is_not_installed_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(makemore_lab, "find_spec", lambda name: None if name == "plotly" else find_spec(name))
    result = CliRunner().invoke(makemore_lab.lab, [])
    assert result.exit_code == 2
    assert result.stderr == "Error: the app needs packages that are missing (plotly): install makemore-lab[app]\n"


def test_an_installed_package_keeps_runs_with_the_users_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMCORE_STORE")
    monkeypatch.setattr(schema, "INSTALLED", True)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    for chosen, folder in (
        ("", tmp_path / ".local" / "share"),
        ("not/absolute", tmp_path / ".local" / "share"),
        (str(tmp_path / "x"), tmp_path / "x"),
    ):
        monkeypatch.setenv("XDG_DATA_HOME", chosen)
        assert schema.default_url() == str(folder / "makemore-lab" / "makemore.sqlite")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert schema.default_url().startswith(f"{tmp_path}/Library/Application Support/makemore-lab/")


def test_a_clone_is_not_taken_for_an_installed_package() -> None:
    assert (installation.INSTALLED, installation.APP_FOLDER) == (False, ROOT)
