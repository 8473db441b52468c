"""A setting is said once: a field that nobody has heard of is on every screen that shows settings."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmcore import ARCHITECTURES, PRESETS, Preset, RunStore, SplitConfig, TrainConfig
from mmcore.architectures.mlp import MLPConfig
from mmcore.fields import Whole
from tests.app.conftest import Open
from ui.playground import sliders

ROOT = Path(__file__).parents[2]
FANS = Whole(
    title="Fans",
    help="How many fans cool it. More is louder.",
    unit="fans",
    low=1,
    high=9,
    stops=(1, 4, 9),
    summary="{value} fans",
)


@dataclass(frozen=True, kw_only=True)
class ToyConfig(MLPConfig):
    """An MLP with one more field, which changes nothing."""

    title = "Toy"

    architecture: str = "toy"
    hidden_sizes: tuple[int, ...] = MLPConfig.settings()["hidden_sizes"].field((8,))
    fans: int = FANS.field(4)


TOY = Preset(title="Toy", note="For tests.", model=ToyConfig(), train=TrainConfig(max_steps=3))


@pytest.fixture
def toy() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, "toy", ToyConfig)
        patch.setitem(PRESETS, "toy", TOY)
        yield


def test_a_new_field_is_checked_and_summarised() -> None:
    assert ToyConfig().summary() == "Toy, context 3, dimension 10, hidden 8, 4 fans"
    assert ToyConfig(fans=1).summary().endswith(", 1 fan")
    with pytest.raises(ValueError, match="fans must be a whole number from 1 to 9, got 10"):
        ToyConfig(fans=10)


def test_a_new_field_is_in_the_form_and_trains(toy: None, open_page: Open, store: RunStore) -> None:
    app = open_page("train")
    app.get_by_key("form_architecture").select("toy").run()
    field = app.get_by_key("form_fans")
    assert (field.label, field.value, field.proto.help) == ("Fans", 4, FANS.help)
    field.set_value(7).run()
    app.button(key="train").click().run()
    assert not app.exception
    run = store.latest()
    assert run is not None and run.config.model == ToyConfig(fans=7)
    field = app.get_by_key("form_fans").set_value(12).run()
    assert "fans must be a whole number from 1 to 9, got 12" in [error.value for error in app.error]


def test_a_new_field_is_on_a_slider_and_in_the_address(toy: None, open_page: Open) -> None:
    app = open_page("playground", architecture="toy", fans="9", steps="2")
    slider = app.get_by_key("play_fans")
    assert not app.exception and not app.warning
    assert (slider.label, slider.value, slider.options) == ("Fans", 9, ["1", "4", "9"])
    slider.set_value(1).run()
    assert app.query_params["fans"] in ("1", ["1"])
    assert app.session_state["play"].config.model.fans == 1


def test_a_new_field_that_an_address_has_wrong_is_named(toy: None) -> None:
    values, wrong = sliders.read_address({"architecture": "toy", "fans": "2"})
    assert wrong == "fans in the address must be one of 1, 4, 9, got '2'. Using 4." and values["fans"] == 4


def test_a_new_field_is_an_option_of_the_command_line() -> None:
    """In a fresh process: commands are made when their module is loaded."""
    code = (
        "import sys; from tests.app.test_settings import TOY, ToyConfig\n"
        "from mmcore import ARCHITECTURES, PRESETS\n"
        "ARCHITECTURES['toy'] = ToyConfig; PRESETS['toy'] = TOY\n"
        "from mmcore.cli import app; app(sys.argv[1:])"
    )

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, "train", *options]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={"COLUMNS": "200"})

    assert "--fans" in (told := run("--help").stdout) and "How many fans cool it." in told
    refused = run("--architecture", "toy", "--fans", "10")
    assert refused.returncode == 2 and "fans must be a whole number from 1 to 9, got 10" in refused.stderr
    refused = run("--architecture", "gru", "--fans", "3")
    assert refused.returncode == 2 and "fans must be left out for GRU, got 3" in refused.stderr


def test_what_a_field_may_be_and_is_called_is_said_in_one_place() -> None:
    """Every title and help of a setting stands in one file, once."""
    owners = (*ARCHITECTURES.values(), TrainConfig, SplitConfig)
    settings = {name: setting for owner in owners for name, setting in owner.settings().items()}
    assert len(settings) > 20
    paths = [path for folder in ("mmcore", "ui", "app_pages") for path in (ROOT / folder).rglob("*.py")]
    strings = [
        node.value
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    for name, setting in settings.items():
        assert strings.count(setting.help) == 1, name
