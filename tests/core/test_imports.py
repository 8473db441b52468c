"""Imports go one way, and what must be quick stays quick."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Each module or package of mmcore may import those of the tiers before its own. Inside a package the same holds for
# its own tiers, which PACKAGES gives; its __init__ is the door, and comes last.
TIERS = (
    (
        "version",
        "fields",
        "contexts",
        "encoding",
        "installation",
        "labels",
        "losses",
        "mixture",
        "process",
        "spreadsheet",
        "symbols",
        "text",
        "threads",
        "fronts",
        "bands",
    ),
    ("architectures", "tables"),
    ("config", "model", "logs"),
    ("presets", "corpus", "schedules", "first_layer"),
    ("dataset", "checkpoint", "reading"),
    ("gallery",),
    ("cost", "curves"),
    ("limits", "samplers", "sweeps", "train_state", "tree_backprop"),
    ("backprop", "evaluation", "ngram", "sample", "embedding", "optimizer", "search"),
    ("compiled",),
    ("training", "trace", "scoring", "breakdown", "guessing"),
    ("export",),
    ("diagnosis",),
    ("store",),
    ("doctor", "differences", "paired", "frontier", "take_home", "take_in"),
    ("jobs", "experiments", "comparison"),
    ("playground", "finder"),
    ("cli",),
    ("__main__",),
)
PACKAGES = {
    "architectures": (
        ("settings",),
        ("prefix_tree",),
        ("layers",),
        ("interface",),
        ("mlp", "bigram", "lm_head", "old_names"),
        ("sequence",),
        ("rnn", "gru", "lstm", "wavenet", "transformer"),
    ),
    "store": (
        ("clock", "digest", "text"),
        ("migrations",),
        ("schema", "run"),
        ("locks",),
        ("bin",),
        ("points", "usage", "selection", "sweeps", "tags", "foreign"),
        ("branches",),
        ("transfer", "size"),
        ("store",),
    ),
    "jobs": (
        ("worker", "interrupt"),
        ("execution", "turns", "sweeping"),
        ("processes", "queue", "dask"),
        ("scheduler",),
    ),
    "tree_backprop": (("passes", "layers", "attention"), ("rnn", "gru", "lstm", "transformer")),
    "compiled": (("kernels",), ("steps",)),
    "trace": (("example",), ("gradient_check", "changes", "neurons"), ("updates",)),
    "export": (
        ("artifact", "in_browser"),
        ("trained",),
        ("arrays", "tables", "archive", "onnx_graph", "tensorboard_log", "lab_page", "figures"),
        ("markdown",),
        ("card", "report"),
        ("script_data", "script_model"),
        ("script_training",),
        ("script",),
    ),
    "cli": (
        ("app",),
        ("words", "output", "settings"),
        ("training", "model", "runs", "export", "report", "corpora", "lab", "transfer"),
        ("sweeps", "workers"),
    ),
}
NEVER = ("streamlit", "plotly", "ui", "app_pages", "streamlit_app")
ONLY = {
    "sqlalchemy": "store",
    "concurrent": "jobs",
    "multiprocessing": "jobs",
    "typer": "cli",
    "rich": "cli",
    "numba": "compiled",
}


def imported(source: str, package: str = "") -> set[str]:
    """The absolute names of all that a source imports, inside functions and ``if TYPE_CHECKING`` too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {f"{base}.{alias.name}" if base in ("mmcore", "ui", package) else base for alias in node.names}
    return found


def tier_of(tiers: Iterable[Iterable[str]]) -> dict[str, int]:
    return {name: level for level, names in enumerate(tiers) for name in names}


def violations(sources: dict[str, str]) -> list[str]:
    """What breaks the order of the tiers, one sentence each. Sources by dotted name, as ``store.points``."""
    tier, broken = tier_of(TIERS), []
    for name, source in sources.items():
        own, _, part = name.partition(".")
        part = part.partition(".")[0]  # what is in a package of a package has its tier
        if own not in tier:
            broken.append(f"{name} has no tier: say in TIERS what it may import")
            continue
        inner = tier_of(PACKAGES.get(own, ()))
        if own in PACKAGES and part != "__init__" and part not in inner:
            broken.append(f"{name} has no tier: say in PACKAGES what it may import")
        for target in sorted(imported(source, "mmcore." + own if part else "mmcore")):
            root, _, rest = target.partition(".")
            if root in NEVER:
                broken.append(f"{name} imports {target}, which a library must not")
            if root in ONLY and own != ONLY[root]:
                broken.append(f"{name} imports {root}, which only {ONLY[root]} may")
            if root != "mmcore":
                continue
            there, _, inside = rest.partition(".")
            if not there:
                broken.append(f"{name} imports the whole package it is part of")
            elif there == own and part:
                known = inner.get(inside.split(".")[0], -1)
                if part != "__init__" and known >= inner.get(part, len(inner)):
                    broken.append(f"{name} imports {there}.{inside}, which is not below it")
            elif tier.get(there, len(TIERS)) >= tier[own]:
                broken.append(f"{name} imports {there}, which is not below it")
    return broken


def sources() -> dict[str, str]:
    paths = sorted((ROOT / "mmcore").rglob("*.py"))
    names = {path: ".".join(path.relative_to(ROOT / "mmcore").with_suffix("").parts) for path in paths}
    return {name: path.read_text(encoding="utf-8") for path, name in names.items() if name != "__init__"}


def test_imports_inside_the_library_go_one_way() -> None:
    assert len(sources()) >= 40
    assert violations(sources()) == []


@pytest.mark.parametrize(
    ("name", "line", "sentence"),
    [
        ("dataset", "from .training import train", "dataset imports training, which is not below it"),
        ("model", "def f():\n    from .backprop import Backprop", "model imports backprop, which is not below it"),
        ("architectures.mlp", "from ..model import Model", "architectures.mlp imports model, which is not below it"),
        ("architectures.layers", "from .mlp import MLPConfig", "architectures.layers imports architectures.mlp, which"),
        ("contexts", "from .config import RunConfig", "contexts imports config, which is not below it"),
        ("store.store", "import streamlit as st", "store.store imports streamlit, which a library must not"),
        ("jobs.queue", "from streamlit.runtime import get_instance", "jobs.queue imports streamlit.runtime, which a"),
        ("store.points", "from mmcore.jobs import JobQueue", "store.points imports jobs, which is not below it"),
        ("store.points", "from .store import RunStore", "store.points imports store.store, which is not below it"),
        ("store.run", "from .. import cli", "store.run imports cli, which is not below it"),
        ("cli.runs", "from ui.session import store", "cli.runs imports ui.session, which a library must not"),
        ("cli.runs", "import mmcore", "cli.runs imports the whole package it is part of"),
        ("export.artifact", "from ..store import RunStore", "export.artifact imports store, which is not below it"),
        ("doctor", "import sqlalchemy as sa", "doctor imports sqlalchemy, which only store may"),
        ("finder", "from concurrent.futures import Executor", "finder imports concurrent, which only jobs may"),
        ("utils", "", "utils has no tier: say in TIERS what it may import"),
        ("store.utils", "", "store.utils has no tier: say in PACKAGES what it may import"),
    ],
)
def test_the_test_above_can_fail(name: str, line: str, sentence: str) -> None:
    have = sources()
    broken = set(violations({**have, name: have.get(name, "") + f"\n{line}\n"})) - set(violations(have))
    assert [found[: len(sentence)] for found in broken] == [sentence]


# Of ui: what every page may use, in order; then the pages' rooms, none of which imports another.
SHARED = ("kit", "form", "run", "picture")
SERVER = (
    "session",
    "counting",
    "warm_up",
    "visitor",
    "terms",
    "pages",
    "health",
)  # about a visit: kit knows nothing of it
PAGE = ("streamlit", "ui", "mmcore")  # all that a page needs: numbers, charts and files are its room's


def room_violations(sources: dict[str, str]) -> list[str]:
    """What breaks the order of ui and app_pages, one sentence each. Sources by dotted name, as ``ui.kit.text``."""
    broken = []
    for name, source in sources.items():
        package = name.rpartition(".")[0]
        own = name.split(".")[1]
        for target in sorted(imported(source, package)):
            root, _, rest = target.partition(".")
            there = rest.split(".")[0]
            if root in ("app_pages", "streamlit_app", "tests", "benchmarks"):
                broken.append(f"{name} imports {target}, which is above it")
            elif name.startswith("app_pages.") and root not in PAGE:
                broken.append(f"{name} imports {target}, which is its room's work")
            if root != "ui" or name.startswith("app_pages.") or there == own:
                continue
            below: tuple[str, ...] = SHARED + SERVER
            if own in SHARED:
                below = () if own == "kit" else SERVER + SHARED[: SHARED.index(own)]
            elif own in SERVER:
                below = ("kit", *SERVER[: SERVER.index(own)])
            if there not in below:
                whose = "not below it" if own in SHARED + SERVER else "another page's"
                broken.append(f"{name} imports {target}, which is {whose}")
    return broken


def room_sources() -> dict[str, str]:
    paths = [path for folder in ("ui", "app_pages") for path in sorted((ROOT / folder).rglob("*.py"))]
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths}
    return {name: path.read_text(encoding="utf-8") for path, name in names.items() if name != "ui.__init__"}


def test_no_page_leans_on_another_and_the_shared_parts_on_none() -> None:
    assert len(room_sources()) >= 40
    assert room_violations(room_sources()) == []


@pytest.mark.parametrize(
    ("name", "line", "sentence"),
    [
        ("ui.kit.text", "from ui import session", "ui.kit.text imports ui.session, which is not below it"),
        ("ui.kit.plots", "from ui.run import curves", "ui.kit.plots imports ui.run, which is not below it"),
        ("ui.form.form", "from ui.run import progress", "ui.form.form imports ui.run, which is not below it"),
        ("ui.run.curves", "from ui.splits.losses import gap", "ui.run.curves imports ui.splits.losses, which is not"),
        ("ui.splits.ngram", "from ui.generate import samples", "ui.splits.ngram imports ui.generate, which is another"),
        ("ui.session", "from ui import visitor", "ui.session imports ui.visitor, which is not below it"),
        ("ui.run.curves", "import app_pages.train", "ui.run.curves imports app_pages.train, which is above it"),
        ("app_pages.train", "from app_pages import home", "app_pages.train imports app_pages.home, which is"),
        ("app_pages.splits", "import pandas as pd", "app_pages.splits imports pandas, which is its room's work"),
    ],
)
def test_the_test_of_rooms_can_fail(name: str, line: str, sentence: str) -> None:
    have = room_sources()
    broken = set(room_violations({**have, name: have[name] + f"\n{line}\n"})) - set(room_violations(have))
    assert [found[: len(sentence)] for found in broken] == [sentence]


TRAINS = {"train", "run_inline", "learning_rate_range_test", "range_test_steps", "play", "steps_within", "steps_for"}


def trains_here(source: str) -> set[str]:
    """Which functions that train a source has from mmcore, to be called in the server's process."""
    tree = ast.parse(source)
    taken = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {
        a.asname or a.name: a.name for node in taken if (node.module or "").startswith("mmcore") for a in node.names
    }
    reads = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    through = {node.attr for node in reads if isinstance(node.value, ast.Name) and node.value.id in {"mmcore", *names}}
    return TRAINS & {*names.values(), *through}


def test_no_page_trains_in_the_servers_process() -> None:
    assert {name: found for name, source in room_sources().items() if (found := trains_here(source))} == {}
    assert trains_here("from mmcore.finder import learning_rate_range_test as f") == {"learning_rate_range_test"}
    assert trains_here("from mmcore import playground\nplayground.play(config, data)") == {"play"}
    assert trains_here("import mmcore\nmmcore.train(state, data)") == {"train"}


QUICK = ("mmcore", "mmcore.config", "mmcore.dataset", "mmcore.store", "mmcore.jobs", "mmcore.cli")


def loaded_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_torch_is_not_loaded_until_it_is_needed() -> None:
    loaded = loaded_after("import " + ", ".join(QUICK))
    assert {"mmcore.store", "mmcore.cli"} <= loaded
    assert not loaded & {"torch", "streamlit", "plotly", "sklearn", "rapidfuzz"}
    assert "torch" in loaded_after("import mmcore; mmcore.MLP"), "the test above must be able to fail"


def test_every_public_name_can_be_imported() -> None:
    import mmcore

    assert len(mmcore.__all__) > 40
    for name in mmcore.__all__:
        assert getattr(mmcore, name) is not None
    assert set(dir(mmcore)) >= {"train", "RunStore", "MLP"}
    with pytest.raises(AttributeError, match="has no attribute 'Trainer'"):
        mmcore.Trainer  # noqa: B018


NOTEBOOK = """
import sys
sys.modules.update(dict.fromkeys({blocked!r}))  # importing one of them fails, as where it is not installed
from mmcore import *
import mmcore.cli
corpus = read_words(BUNDLED_NAMES)
data = build_dataset(corpus.words[:300], SplitConfig(), context_size=3)
state = TrainState(model_config(), TrainConfig(max_steps=2), data.vocab.size)
for step in train(state, data):
    print(step.step, step.val_loss)
print([sample.word for sample in generate(state.model, data.vocab, 2)], examine)
"""


def test_a_notebook_needs_nothing_of_the_app() -> None:
    def run(*blocked: str) -> subprocess.CompletedProcess[str]:
        code = NOTEBOOK.format(blocked=blocked)
        return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    done = run("streamlit", "plotly", "sklearn", "rapidfuzz", "starlette", "ui")
    assert done.returncode == 0, done.stderr
    assert "import of safetensors halted" in run("safetensors").stderr, "the test above must be able to fail"
