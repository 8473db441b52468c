"""What a sweep found, on its page: figures, sentences and their numbers, the winner and its sealed test."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from mmcore import Run, RunConfig, RunState, RunStore, TrainConfig
from mmcore.architectures import model_config
from mmcore.paired import COVERAGE, Key, paired_difference
from mmcore.store import Progress, RunFilter, SavedWeights, StoredSweep
from mmcore.sweeps import Axis, Sweep
from mmcore.training import Step
from tests.app.conftest import Open, texts
from tests.app.elements import figure, figures, metrics, numbers, without_help
from ui import session
from ui.sweep import answer, bands, fronts, heatmap, importance, looks, parallel, slices, table
from ui.sweep.found import Found

TEST = 7.0  # added to a validation loss to make a test loss that no figure could show by chance
Losses = Mapping[Key, Mapping[int, float | None]]  # of a setting by seed; None: it failed


def sweep_on(sha256: str, **changes: Any) -> Sweep:
    """Two context sizes by three dimensions, with three seeds."""
    model = model_config(context_size=2, embedding_dim=2, hidden_sizes=(4,))
    base = RunConfig(corpus_sha256=sha256, model=model, train=TrainConfig(max_steps=20, batch_size=8))
    axes = (Axis(name="context_size", values=(1, 2)), Axis(name="embedding_dim", values=(2, 4, 8)))
    return Sweep(**{"base": base, "axes": axes, "seeds": (1, 2, 3), **changes})


def fill(store: RunStore, sweep: Sweep, losses: Losses) -> StoredSweep:
    """A stored sweep whose runs have ended with these losses, without training them."""
    stored = store.create_sweep(sweep, name="Sizes")
    names = [axis.name for axis in sweep.axes]
    for key, by_seed in losses.items():
        for seed, loss in by_seed.items():
            config = sweep.config(dict(zip(names, key, strict=True)), seed)
            known = store.count(RunFilter(sweep=stored.id))
            (run_id,) = store.add_to_sweep(
                stored.id, [(config, sweep.said(dict(zip(names, key, strict=True))))], known=known
            )
            token = store.claim(run_id)
            assert token
            if loss is None:
                store.finish(run_id, token, RunState.FAILED, error="diverged")
                continue
            found = {
                "val_loss": loss,
                "train_loss": loss - 0.1,
                "val_loss_unseen": loss + 0.1,
                "test_loss": loss + TEST,
            }
            points = [Step(step=s, learning_rate=0.1, seconds=s / 10, val_loss=loss + 1 - s / 20) for s in (0, 10, 20)]
            store.finish(
                run_id, token, RunState.FINISHED, Progress(points=points, saved=SavedWeights(weights=b"", losses=found))
            )
    return stored


LOSSES: Losses = {
    (1, 2): {1: 2.50, 2: 2.52, 3: 2.54},
    (1, 4): {1: 2.40, 2: 2.41, 3: 2.45},
    (1, 8): {1: 2.30, 2: None, 3: 2.10},  # the lowest mean, but it failed with seed 2
    (2, 2): {1: 2.35, 2: 2.31, 3: 2.33},
    (2, 4): {1: 2.25, 2: 2.22, 3: 2.28},
    (2, 8): {1: 2.26},
}


@pytest.fixture
def stored(store: RunStore) -> StoredSweep:
    return fill(store, sweep_on(store.add_corpus(session.bundled())), LOSSES)


def found_of(losses: Losses, **changes: Any) -> Found:
    """The same without a store."""
    sweep = sweep_on("0" * 64, **changes)
    names = [axis.name for axis in sweep.axes]
    runs: dict[Key, dict[int, Run]] = {}
    if sweep.method == "grid":
        runs = {tuple(setting.values()): {} for setting in sweep.grid()}
    for key, by_seed in losses.items():
        configs = {seed: sweep.config(dict(zip(names, key, strict=True)), seed) for seed in by_seed}
        runs[key] = {seed: run(config, by_seed[seed]) for seed, config in configs.items()}
    return Found(sweep, runs)


def run(config: RunConfig, loss: float | None) -> Run:
    values: dict[str, Any] = dict.fromkeys(field.name for field in dataclasses.fields(Run))
    values |= {"id": "run", "config": config, "state": RunState.FAILED, "losses": {}, "test_openings": 0}
    if loss is not None:
        values |= {"state": RunState.FINISHED, "losses": {"val_loss": loss}}
    return Run(**values)


def show(app: AppTest, name: str) -> AppTest:
    (control,) = [one for one in app.segmented_control if one.label == "Figure"]
    control.set_value(name).run()
    assert not app.exception
    return app


def opened(open_page: Open, stored: StoredSweep) -> AppTest:
    app = open_page("sweep", sweep=stored.id)
    assert not app.exception
    return app


# ---- the page


def test_before_the_first_result_it_says_when_there_will_be_some(store: RunStore, open_page: Open) -> None:
    empty = fill(store, sweep_on(store.add_corpus(session.bundled())), {})
    assert "Results appear here as soon as the first run of the sweep has finished." in texts(opened(open_page, empty))


def test_every_field_explains_itself_and_every_figure_is_drawn(stored: StoredSweep, open_page: Open) -> None:
    app = opened(open_page, stored)
    for name in ("Heatmap", "Slices", "Cost", "Curves"):
        assert set(without_help(show(app, name))) <= {"Name", "Question"}, "those of the sweep itself"
        assert figures(app) and all(one["alt"] for one in figures(app))


def test_the_heatmap_has_the_means_and_a_cell_has_its_runs(
    stored: StoredSweep, store: RunStore, open_page: Open
) -> None:
    app = opened(open_page, stored)
    cells, points = figure(app, 0)["data"]
    assert numbers(cells["z"]) == pytest.approx(np.array([[2.52, 2.42, 2.2], [2.33, 2.25, 2.26]]))
    assert cells["reversescale"], "the lowest stands out"
    notes = [note["text"] for note in figure(app, 0)["layout"]["annotations"]]
    assert notes == [
        "2.520<br>±0.012",
        "2.420<br>±0.015",
        "2.200<br>±0.100",
        "2.330<br>±0.012",
        "2.250<br>±0.017",
        "2.260",
    ]
    assert "3 of 3 runs finished" in points["hovertext"][0]
    assert "2 of 3 runs finished<br>1 failed or diverged" in points["hovertext"][2]
    assert "1 of 3 runs finished" in points["hovertext"][5]
    (chosen,) = [box for box in app.selectbox if box.label == "Runs of a cell"]
    chosen.set_value("1,1").run()
    runs = {run.config.train.seed: run for run in store.runs() if run.name == "Context size 2, embedding dimension 4"}
    links = {link.proto.label.replace("\\", ""): link.proto.query_string for link in app.get("page_link")}
    for seed, loss in LOSSES[2, 4].items():
        assert links[f"Seed {seed}: {loss:.4f}"] == f"run={runs[seed].id}"
    assert links["Compare them"].replace("%2C", ",") == "runs=" + ",".join(runs[seed].id for seed in (1, 2, 3))


def test_a_figure_whose_numbers_have_not_changed_is_the_same_one(stored: StoredSweep, open_page: Open) -> None:
    app = opened(open_page, stored)
    for name in ("Heatmap", "Slices", "Cost", "Curves"):
        before = figures(show(app, name))
        assert figures(app.run()) == before, "nothing is drawn anew"


def test_curves_are_those_of_the_two_lowest_and_their_seeds(stored: StoredSweep, open_page: Open) -> None:
    app = show(opened(open_page, stored), "Curves")
    lines = [trace for trace in figure(app, 0)["data"] if trace.get("legendgroup") == trace["name"]]
    assert [line["name"] for line in lines] == [
        "Context size 1, embedding dimension 8",
        "Context size 2, embedding dimension 4",
    ]
    assert numbers(lines[1]["y"])[-1] == pytest.approx(2.25)
    assert numbers(lines[1]["customdata"])[-1] == pytest.approx([2.22, 2.28])
    assert "Band: from the lowest to the highest of them" in texts(app)


def test_a_against_b_on_the_page(stored: StoredSweep, open_page: Open) -> None:
    app = opened(open_page, stored)
    boxes = {box.label: box for box in app.selectbox if box.label in ("A", "B")}
    assert boxes["A"].options[boxes["A"].value] == "Context size 1, embedding dimension 8", "the lowest mean"
    assert "A failed or diverged with seed 2. The comparison leaves that out." in texts(app)
    boxes["A"].set_value(boxes["A"].options.index("Context size 2, embedding dimension 4")).run()
    boxes = {box.label: box for box in app.selectbox if box.label in ("A", "B")}
    boxes["B"].set_value(boxes["B"].options.index("Context size 2, embedding dimension 2")).run()
    said = texts(app)
    # 2.25 − 2.35, 2.22 − 2.31, 2.28 − 2.33
    assert "**A is better than B.** Its validation loss is lower by 0.0800 nats per character" in said
    assert "interval 0.0500 to 0.1000, 3 pairs)" in said
    assert "held the true difference in about 75 % of cases, not in 95 %" in said


def test_the_winner_has_all_seeds_and_its_test_is_opened_on_purpose_and_counted(
    stored: StoredSweep, store: RunStore, open_page: Open
) -> None:
    app = opened(open_page, stored)
    assert "**Context size 2, embedding dimension 4**" in texts(app)
    assert "Lowest mean validation loss of the 4 of 6 settings that have finished with 3 seeds." in texts(app)
    assert metrics(app)["Validation loss"] == "2.2500 ± 0.0173"
    assert metrics(app)["Test loss"] == "Sealed"
    assert "Its test split was never opened; that of other runs of the sweep: never." in texts(app)
    app.button(key="sweep_open_test").click().run()
    assert "it is a second validation loss" in texts(app) and "counted for 3 runs" in texts(app)
    assert store.count() == sum(run.test_openings == 0 for run in store.runs()), "asking opens nothing"
    app.button(key="confirm_open").click().run()
    assert metrics(app)["Test loss"] == "9.2500 ± 0.0173"
    assert "Its test split was opened once" in texts(app)
    names = {run.name for run in store.runs() if run.test_openings}
    assert names == {"Context size 2, embedding dimension 4"}
    assert metrics(opened(open_page, stored))["Test loss"] == "Sealed", "until someone opens it again"


def test_no_test_loss_of_another_setting_is_shown_though_it_is_open(
    stored: StoredSweep, store: RunStore, open_page: Open
) -> None:
    for one in store.runs():
        store.open_test(one.id)
    assert all("test_loss" in one.losses for one in store.runs() if one.state is RunState.FINISHED)
    app = opened(open_page, stored)
    assert "that of other runs of the sweep: of 13." in texts(app)
    for name in ("Heatmap", "Slices", "Cost", "Curves"):
        show(app, name)
        sent = [texts(app), *map(json.dumps, figures(app))]
        sent += [shown.value.to_string() for shown in app.dataframe] + [code.value for code in app.code]
        for one in store.runs():
            shown_loss = re.escape(f"{one.losses.get('test_loss', TEST):.2f}")  # 9a25 is part of an id
            assert not [text for text in sent if re.search(rf"(?<![\d.]){shown_loss}", text)], (name, one.name)


def test_while_runs_wait_the_winner_is_one_so_far_and_stays_sealed(
    stored: StoredSweep, store: RunStore, open_page: Open
) -> None:
    config = stored.config.config({"context_size": 2, "embedding_dim": 8}, 2)
    assert store.add_to_sweep(stored.id, [(config, "waits")], known=store.count(RunFilter(sweep=stored.id)))
    app = opened(open_page, stored)
    assert "that have finished with 3 seeds, so far." in texts(app)
    assert app.button(key="sweep_open_test").disabled


def test_the_table_can_be_copied_and_has_every_digit_as_a_file(stored: StoredSweep, open_page: Open) -> None:
    app = opened(open_page, stored)
    (copied,) = [code.value for code in app.code if code.value.startswith("|")]
    lines = copied.strip().splitlines()
    assert len(lines) == 2 + 6 and lines[2].startswith("| 1 | 8 | 2.2000 ± 0.1000 |"), "the lowest mean on top"
    found = found_of(LOSSES)
    frame = pd.DataFrame({"context_size": [1, 2], "embedding_dim": [2, 4], "val_loss": [2.123456789, 2.0]})
    assert table.exact(found, frame)["val_loss"].tolist() == [2.0, 2.123456789]


# ---- sentences


@pytest.mark.parametrize(
    ("a", "b", "says"),
    [
        ([2.0, 2.1, 2.2], [2.3, 2.2, 2.4], "**A is better than B.** Its validation loss is lower by 0.2000"),
        ([2.3, 2.2, 2.4], [2.0, 2.1, 2.2], "**B is better than A.** Its validation loss is lower by 0.2000"),
        ([2.0, 2.1, 2.2], [2.3, 2.2, 2.4], "(95 % bootstrap interval 0.1000 to 0.3000, 3 pairs)"),
        ([2.3, 2.2, 2.4], [2.0, 2.1, 2.2], "(95 % bootstrap interval 0.1000 to 0.3000, 3 pairs)"),
        ([2.0, 2.3, 2.2], [2.3, 2.2, 2.4], "**These seeds do not show which is better.** The validation loss of A"),
        ([2.0, 2.3, 2.2], [2.3, 2.2, 2.4], "interval -0.1000 to 0.3000, 3 pairs), and the interval includes 0."),
        ([2.3, 2.2, 2.4], [2.0, 2.3, 2.2], "The validation loss of B is lower than that of A by 0.1333"),
        ([2.3, 2.2, 2.4], [2.0, 2.3, 2.2], "interval -0.1000 to 0.3000, 3 pairs), and the interval includes 0."),
        (
            [2.0, 2.1],
            [2.3, 2.2],
            "of A is lower than that of B by 0.2000 nats per character (mean of 2 pairs). That is",
        ),
        ([2.0, 2.1], [2.3, 2.2], "add seeds until both settings have at least 3 in common."),
        ([2.4], [2.3], "of B is lower than that of A by 0.1000 nats per character (mean of 1 pair)."),
        ([], [2.3], "No seed has finished with both settings yet, so there is nothing to compare."),
    ],
)
def test_the_answer_names_direction_size_interval_and_pairs(a: list[float], b: list[float], says: str) -> None:
    difference = paired_difference(dict(enumerate(a)), dict(enumerate(b)))
    assert says in answer.answer(difference)


@pytest.mark.parametrize("pairs", [3, 5, 10, 20])
def test_an_interval_of_few_pairs_is_called_rough(pairs: int) -> None:
    seeds = range(1, pairs + 1)
    found = found_of({(1, 2): {s: 2 + 0.01 * s for s in seeds}, (1, 4): dict.fromkeys(seeds, 2.5)}, seeds=tuple(seeds))
    said = answer.sentences(found, (1, 2), (1, 4), paired_difference(found.losses[1, 2], found.losses[1, 4]))
    rough = f"intervals of {pairs} pairs held the true difference in about {100 * COVERAGE[pairs]:.0f} % of cases"
    assert any(rough in sentence for sentence in said) == (pairs < 20)
    assert not any("lowest mean of" in sentence for sentence in said), "of two, none was chosen"


def test_the_lowest_of_many_is_said_to_be_partly_luck() -> None:
    found = found_of(LOSSES)
    said = answer.sentences(found, (2, 4), (1, 8), paired_difference(found.losses[2, 4], found.losses[1, 8]))
    assert any("B has the lowest mean of 6 settings." in sentence for sentence in said)
    said = answer.sentences(found, (2, 4), (1, 4), paired_difference(found.losses[2, 4], found.losses[1, 4]))
    assert not any("lowest" in sentence for sentence in said)


# ---- figures


def test_cells_wait_fail_and_average() -> None:
    found = found_of({(1, 2): {1: 2.0, 2: 3.0}, (2, 2): {2: 4.0, 3: 9.0}, (1, 8): {1: None, 2: None, 3: None}})
    cells = heatmap.cells(found, "context_size", "embedding_dim", {})
    assert [heatmap.cell_text(cell) for cell in cells[:3]] == ["2.500<br>±0.500", "…", "failed"]
    assert heatmap.cell_text(cells[0], errors=False) == "2.500"
    found.means  # noqa: B018  # of all
    three = Axis(name="hidden_sizes", values=((4,), (8,)))
    both = found_of({(1, 2, (4,)): {1: 2.0, 2: 3.0}, (1, 2, (8,)): {2: 4.0, 3: 9.0}}, axes=(*found.sweep.axes, three))
    average = heatmap.cells(both, "context_size", "embedding_dim", {"hidden_sizes": heatmap.AVERAGE})[0]
    assert average.mean and average.mean.mean == 3.5 and average.mean.seeds == 1, "seed 2 alone is with both"
    fixed = heatmap.cells(both, "context_size", "embedding_dim", {"hidden_sizes": (8,)})[0]
    assert fixed.mean and fixed.mean.mean == 6.5 and len(fixed.keys) == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_cells_numbers_can_be_read_on_every_shade(theme: Any) -> None:
    for shade in np.linspace(0, 1, 41):
        ink, ground = (
            looks.readable(float(shade), theme),
            looks.sample_colorscale(list(looks.SURFACES[theme].scale), [float(shade)], colortype="tuple")[0],
        )
        light = looks._luminance(ground)
        assert ((1.05 / (light + 0.05)) if ink == "#ffffff" else (light + 0.05) / 0.05) >= 4.5


def test_one_run_that_went_astray_does_not_press_all_others_together() -> None:
    losses = np.array([[2.1, 2.2, 2.3], [2.4, 900.0, np.nan]])
    low, high = heatmap.colour_range(losses)
    assert low == 2.1 and high == pytest.approx(2.1 + 3 * 0.2)
    assert heatmap.colour_range(np.array([[2.1, 2.2]])) == (2.1, 2.2)
    plot = slices.go.Figure()
    assert looks.show_losses(plot, [2.1, 2.2, 2.3, 2.4, 900.0]).startswith(" 1 of 5 points lies above the figure")
    assert plot.layout.yaxis.range[1] == pytest.approx(2.43)
    assert looks.show_losses(plot, [2.1, 2.2, 2.3]) == ""


def test_slices_have_a_line_for_each_value_and_errors() -> None:
    found = found_of(LOSSES)
    series = slices.points(found, "embedding_dim", "context_size", {})
    assert list(series) == ["1", "2"] and [value for value, _, _ in series["1"]] == [2, 4, 8]
    plot = slices.figure(found, "embedding_dim", "context_size", series, "light")
    assert list(plot.data[0].y) == pytest.approx([2.52, 2.42, 2.2])
    assert plot.data[0].error_y.array[:2] == pytest.approx([0.02 / math.sqrt(3), 0.0152752], abs=1e-6)
    assert plot.data[1].error_y.array[2] is None, "one seed has no standard error"
    assert len({(line.line.color, line.line.dash, line.marker.symbol) for line in plot.data}) == 2


def test_no_two_lines_differ_in_colour_only() -> None:
    many = [looks.line_look(order, "light") for order in range(looks.MOST_LINES)]
    assert len({(look["line"]["dash"], look["marker"]["symbol"]) for look in many}) == looks.MOST_LINES


def test_drawn_settings_are_points_along_a_range() -> None:
    axes = (Axis(name="learning_rate", low=0.001, high=1.0, log=True), Axis(name="embedding_dim", low=2, high=9))
    losses: Losses = {(0.5, 3): {1: 2.5}, (0.002, 9): {1: 2.3}, (0.02, 2): {1: 2.4}}
    found = found_of(losses, axes=axes, method="random", seeds=(1,))
    series = slices.points(found, "learning_rate", None, {"embedding_dim": heatmap.AVERAGE})
    plot = slices.figure(found, "learning_rate", None, series, "light")
    (drawn,) = plot.data
    assert (drawn.mode, plot.layout.xaxis.type) == ("markers", "log")
    assert list(zip(drawn.x, drawn.y, strict=True)) == [(0.002, 2.3), (0.02, 2.4), (0.5, 2.5)]


def test_the_front_is_marked_and_named() -> None:
    rows = pd.DataFrame(
        {
            "name": ["small", "good", "large", "best"],
            "val_loss": [2.4, 2.2, 2.3, 2.1],
            "val_loss_error": [0.01, math.nan, 0.01, 0.02],
            "parameters": [100, 200, 300, 4_000],
            "seconds": [1.0, 9.0, 0.5, 2.0],
        }
    )
    plot = fronts.figure(rows, "parameters", "light")
    others, front = plot.data
    assert [row[0] for row in front.customdata] == ["small", "good", "best"] and list(others.x) == [300]
    assert plot.layout.xaxis.type == "log" and front.marker.symbol != others.marker.symbol
    assert front.error_y.array[1] is None
    assert fronts.shown(fronts.on_front(rows, "seconds"), "seconds")["On the front"].tolist() == ["large", "best"]


def test_a_band_begins_where_the_losses_can_be_told_apart() -> None:
    steps = np.arange(0, 101, 10)
    curve = pd.DataFrame({"step": steps, "mean": 3.0 - steps / 100})
    curve["low"], curve["high"] = curve["mean"] - 0.1, curve["mean"] + 0.1
    assert bands.learned([curve]) == pytest.approx((1.9 - 0.055, 3.0 + 0.055))
    assert bands.learned([curve.head(3)]) is None
    said = bands.legend({"a": curve, "b": curve.tail(1)}, {"a": 3, "b": 2}, ["c"])
    assert "Band: from the lowest to the highest" in said and "so quick (b)." in said and "No curve yet: c." in said
    assert "above the figure" not in said, "b has too few points to choose a part of the losses by"
    alone = bands.legend({"a": curve}, {"a": 1}, [])
    assert alone.startswith("One seed each") and alone.endswith("double-click it to see all.")


def grid_losses() -> Losses:
    """Of eight settings where the embedding alone matters."""
    return {(c, d): {1: 2.5 - 0.1 * d + 0.001 * c} for c in (1, 2) for d in (2, 3, 4, 5)}


EIGHT = (Axis(name="context_size", values=(1, 2)), Axis(name="embedding_dim", values=(2, 3, 4, 5)))


def test_what_matters_most_is_the_longest_bar() -> None:
    found = found_of(grid_losses(), axes=EIGHT, seeds=(1,))
    assert importance.worth_showing(found)
    (bars,) = importance.figure(found, "light").data
    shares = dict(zip(bars.y, bars.x, strict=True))
    assert shares["Embedding dimension"] > 0.8 > shares["Context size"]
    assert importance.figure(found, "light") == importance.figure(found, "light"), "the same losses, the same figure"
    assert not importance.worth_showing(found_of(LOSSES)), "six settings are too few"
    assert importance.said_used(found) == "all 8 settings that have results"
    axes = (Axis(name="context_size", values=tuple(range(1, 61))), Axis(name="embedding_dim", values=(2, 3, 4, 5)))
    many = found_of({(c, d): {1: 2 + 0.001 * c} for c in range(1, 61) for d in (2, 3, 4, 5)}, axes=axes, seeds=(1,))
    assert importance.said_used(many) == "120 of 240 settings" and len(importance.study(many).trials) == 120
    alike = {key: {1: 2.0} for key in grid_losses()}
    assert not importance.worth_showing(found_of(alike, axes=EIGHT, seeds=(1,)))


def test_parallel_coordinates_have_a_line_for_each_setting_the_lowest_thick_and_last() -> None:
    losses = {**grid_losses(), (2, 2): {1: 900.0}}
    found = found_of(losses, axes=EIGHT, seeds=(1,))
    shown, left_out = parallel.worth_drawing(found)
    assert left_out == 1 and len(shown) == 7
    lines = parallel.figure(found, shown, "light").data
    assert len(lines) == 7 and lines[-1].line.width > lines[0].line.width
    assert lines[-1].y == pytest.approx((0.0, 0.0, 1.0)), "lowest loss, context 1 of 1 to 2, dimension 5 of 2 to 5"
    assert lines[0].y[0] == 1.0
