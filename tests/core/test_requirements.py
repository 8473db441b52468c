"""The ranges of pyproject.toml and the lock of requirements.txt name the same packages, each version in its range."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]


def test_the_tested_versions_are_in_the_ranges_that_are_promised() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    ranges = [Requirement(line) for group in (project["dependencies"], *extras.values()) for line in group]
    locked = [Requirement(line) for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").split()]
    assert {one.name for one in ranges} == {one.name for one in locked}
    version = {one.name: next(iter(one.specifier)).version for one in locked}
    assert {one.name: version[one.name] for one in ranges if version[one.name] not in one.specifier} == {}
