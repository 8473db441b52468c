"""Imports go one way, and what must be quick stays quick."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Each tier may import the tiers before it, and nothing beside or after itself.
TIERS = (
    ("version", "fields", "contexts", "layers", "process", "text"),
    ("schema",),
    ("family",),
    ("families",),
    ("config",),
    ("data", "model"),
    ("checkpoint",),
    ("cost",),
    ("limits",),
    ("backprop", "evaluation", "ngram", "sample", "artifact", "embedding"),
    ("training", "trace", "scoring", "breakdown"),
    ("store", "finder", "reading"),
    ("doctor",),
    ("jobs", "experiments"),
    ("playground",),
    ("cli",),
    ("__main__",),
)
NEVER = ("streamlit", "plotly", "ui", "app_pages", "streamlit_app")


def imported(source: str) -> set[str]:
    """All modules a source imports, inside functions and ``if TYPE_CHECKING`` too; mmcore's own as ``.name``."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add("." * node.level + node.module)
        elif isinstance(node, ast.ImportFrom):
            found |= {"." * node.level + alias.name for alias in node.names}
    return {"." + name.removeprefix("mmcore.") if name.startswith("mmcore.") else name for name in found}


def violations(sources: dict[str, str]) -> list[str]:
    """What breaks the order of :data:`TIERS`, one sentence each."""
    tier = {name: level for level, names in enumerate(TIERS) for name in names}
    broken = []
    for name, source in sources.items():
        if name not in tier:
            broken.append(f"{name} has no tier: say in TIERS what it may import")
            continue
        for target in sorted(imported(source)):
            if target.split(".")[0] in NEVER:
                broken.append(f"{name} imports {target}, which a library must not")
            if target == "mmcore":
                broken.append(f"{name} imports the whole package it is part of")
            own = target.removeprefix(".").split(".")[0]
            if target.startswith(".") and tier.get(own, len(TIERS)) >= tier[name]:
                broken.append(f"{name} imports {own}, which is not below it")
    return broken


def sources() -> dict[str, str]:
    paths = sorted((ROOT / "mmcore").glob("*.py"))
    found = {path.stem: path.read_text(encoding="utf-8") for path in paths if path.stem != "__init__"}
    # A package counts as one module: its files may import each other, and what the package may.
    inside = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "mmcore/families").glob("*.py")))
    own = re.sub(r"^from \.\w+ import .*$", "", inside, flags=re.MULTILINE).replace("from __future__", "from future")
    return found | {"families": own.replace("from ..", "from .")}


def test_imports_inside_the_library_go_one_way() -> None:
    assert len(sources()) >= 14
    assert violations(sources()) == []


@pytest.mark.parametrize(
    ("name", "line", "sentence"),
    [
        ("data", "from .training import train", "data imports training, which is not below it"),
        ("model", "def f():\n    from .backprop import Backprop", "model imports backprop, which is not below it"),
        ("families", "from .model import Model", "families imports model, which is not below it"),
        ("contexts", "from .config import require", "contexts imports config, which is not below it"),
        ("store", "import streamlit as st", "store imports streamlit, which a library must not"),
        ("jobs", "from streamlit.runtime import get_instance", "jobs imports streamlit.runtime, which a library must"),
        ("store", "from mmcore.jobs import JobQueue", "store imports jobs, which is not below it"),
        ("store", "from . import cli", "store imports cli, which is not below it"),
        ("cli", "from ui.session import store", "cli imports ui.session, which a library must not"),
        ("cli", "import mmcore", "cli imports the whole package it is part of"),
        ("utils", "", "utils has no tier: say in TIERS what it may import"),
    ],
)
def test_the_test_above_can_fail(name: str, line: str, sentence: str) -> None:
    have = sources()
    broken = set(violations({**have, name: have.get(name, "") + f"\n{line}\n"})) - set(violations(have))
    assert [found[: len(sentence)] for found in broken] == [sentence]


@pytest.mark.parametrize("folder", ["ui", "app_pages"])
def test_pages_stand_on_the_shared_parts_and_those_on_the_library(folder: str) -> None:
    above = {"ui": {"app_pages", "streamlit_app"}, "app_pages": {"streamlit_app", "app_pages"}}[folder]
    for path in sorted((ROOT / folder).rglob("*.py")):
        roots = {name.split(".")[0] for name in imported(path.read_text(encoding="utf-8"))}
        assert not roots & above, path


QUICK = ("mmcore", "mmcore.config", "mmcore.data", "mmcore.store", "mmcore.jobs", "mmcore.cli")


def loaded_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_torch_is_not_loaded_until_it_is_needed() -> None:
    loaded = loaded_after("import " + ", ".join(QUICK))
    assert {"mmcore.store", "mmcore.cli"} <= loaded
    assert not loaded & {"torch", "streamlit", "plotly", "sklearn"}
    assert "torch" in loaded_after("import mmcore; mmcore.MLP"), "the test above must be able to fail"


def test_every_public_name_can_be_imported() -> None:
    import mmcore

    assert len(mmcore.__all__) > 40
    for name in mmcore.__all__:
        assert getattr(mmcore, name) is not None
    assert set(dir(mmcore)) >= {"train", "RunStore", "MLP"}
    with pytest.raises(AttributeError, match="has no attribute 'Trainer'"):
        mmcore.Trainer  # noqa: B018
