"""RESULTS.md from the recorded JSON: ``python -m benchmarks.report``. The tables come from
files here; figures in the template's prose were measured by hand on the same machine."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from benchmarks.best import MLPS, OTHERS
from benchmarks.opening import PAGES
from mmcore.losses import LOSSES, SHOWN
from mmcore.paired import mean_of, paired_difference

HERE = Path(__file__).parent
RESULTS = HERE / "results"
NAMES = {"lecture": "lecture's loop", "competent": "autograd + AdamW", "competent, our dataset": "… on our dataset"}
NAMES |= {"ours": "ours", "ours, compiled": "ours, compiled"}
WHOSE = {"pool": "processes of this machine", "cluster": "workers of a Dask cluster"}


def read(name: str) -> Any:
    """A recorded result, or None if it was not measured."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def spread(values: Sequence[float], digits: int = 4) -> str:
    """Median, and the range of all."""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def contest(data: dict[str, Any]) -> str:
    """Time to each target: median and range over the seeds, and the ratios to both of ours."""
    rows = []
    for target in ("lecture", "2.12"):
        ours, compiled = (
            statistics.median(r["seconds"] for r in data["runs"] if (r["name"], r["target"]) == (name, target))
            for name in ("ours", "ours, compiled")
        )
        for name, title in NAMES.items():
            wanted = "lecture" if name == "lecture" else target
            runs = [r for r in data["runs"] if (r["name"], r["target"]) == (name, wanted)]
            losses = [r["val_loss"] for r in runs if r["val_loss"] is not None]
            seconds = [r["seconds"] for r in runs]
            goal = "≤ 2.175" if target == "lecture" else "≤ 2.12"
            steps = "200,000" if name == "lecture" else f"{runs[0]['steps']:,}"
            ratios = [f"{statistics.median(seconds) / mine:,.1f} ×" for mine in (ours, compiled)]
            rows.append((goal, title, steps, spread(seconds, 3), spread(losses) if losses else "not known", *ratios))
    header = ("validation loss", "", "updates", "seconds, all of it", "loss reached", "of ours", "of ours, compiled")
    return table(header, rows)


def every_run(data: dict[str, Any]) -> str:
    """All runs, one a row."""
    rows = [
        (
            NAMES[r["name"]],
            r["target"],
            r["seed"],
            f"{r['seconds']:.3f}",
            f"{r['dataset_seconds']:.3f}",
            f"{r['val_loss']:.4f}" if r["val_loss"] is not None else "–",
        )
        for r in data["runs"]
    ]
    return table(("", "target", "seed", "seconds", "of them dataset", "validation loss"), rows)


def peers(data: dict[str, Any]) -> str:
    """Training and validation in each library: medians over the seeds, and the ratio to ours with the same seed."""
    titles = NAMES | {"competent, our dataset": NAMES["competent"]}
    by_name: dict[str, dict[int, dict[str, Any]]] = {}
    for run in data["runs"]:
        by_name.setdefault(run["name"], {})[run["seed"]] = run
    rows = []
    for name, runs in by_name.items():
        losses = [run["val_loss"] for run in runs.values() if run["val_loss"] is not None]
        once = statistics.median(run["compiling"] for run in runs.values())
        ratios = [run["seconds"] / by_name["ours"][seed]["seconds"] for seed, run in runs.items()]
        seconds = [run["seconds"] for run in runs.values()]
        digits = 3 if max(seconds) < 1_000 else 0
        cells = f"{once:.1f}" if once else "", spread(losses) if losses else "not known"
        rows.append((titles.get(name, name), spread(seconds, digits), *cells, f"{statistics.median(ratios):,.1f} ×"))
    return table(("", "seconds", "compiling, once", "loss reached", "of our time"), rows)


def step(data: dict[str, Any]) -> str:
    """An update, op by op."""
    found = data["step"]
    rows = [
        (
            f"`{op['op']}`",
            op["shapes"],
            f"{op['microseconds']:.1f}",
            f"{op['microseconds'] / found['attributed_microseconds']:.1%}",
            f"{op['alone_microseconds']:.1f}" if "alone_microseconds" in op else "",
            f"{op['share_of_peak']:.0%}" if "share_of_peak" in op else "",
        )
        for op in found["ops"][:22]
    ]
    rest = found["attributed_microseconds"] - sum(op["microseconds"] for op in found["ops"][:22])
    rows.append(("the other ops", "", f"{rest:.1f}", f"{rest / found['attributed_microseconds']:.1%}", "", ""))
    rows.append(("**sum**", "", f"{found['attributed_microseconds']:.1f}", "100 %", "", ""))
    return table(("op", "shapes", "µs", "share", "µs alone", "of matrix peak"), rows)


def ideas(data: dict[str, Any]) -> str:
    """What each idea gave, beside as many updates without it, and what the time as it is consists of."""
    rows = []
    for row in data["ideas"]:
        plan = ", ".join(f"{steps} of {size}" for steps, size in row["plan"])
        of = {name: [run[name] for run in row["runs"]] for name in row["runs"][0]}
        took = spread([1000 * seconds for seconds in of["seconds"]], 0)
        rows.append((row["idea"], plan, f"{statistics.median(of['first_loss']):.2f}", took, spread(of["val_loss"])))
    shares = [(name, f"{milliseconds:.1f}") for name, milliseconds in data["parts"].items()]
    shares.append(("**sum**", f"{sum(data['parts'].values()):.1f}"))
    header = ("", "updates", "first loss", "ms of the updates", "validation loss")
    return table(header, rows) + "\n" + table(("as it is", "ms"), shares)


def floor(thought: dict[str, Any], data: dict[str, Any]) -> str:
    """How far what cannot be left out is from a thousandth of the lecture's seconds."""
    lecture, between = data["summary"]["lecture_seconds"], thought["parts"]["updates: all else"]
    rest, calls = sum(thought["parts"].values()) - between, sum(op["calls"] for op in data["step"]["ops"])
    return (
        f"A thousandth of the lecture's loop is {lecture:.0f} ms. Of them the dataset, the validation loss and the\n"
        f"updates' matrix products by themselves take {rest:.0f}; what lies between the products, {between:.0f} ms in\n"
        f"{calls:.0f} calls of PyTorch an update, would have to fit into {lecture - rest:.0f}.\n"
        "Compiled, it is one call."
    )


def presets() -> str:
    """What each preset reaches."""
    rows = []
    for name in (*MLPS, *OTHERS):
        for deduplicate in (False, True):
            runs = [r for r in read(f"preset-{name}") or [] if r["deduplicate"] == deduplicate]
            if runs:
                losses = [[r[loss] for r in runs] for loss in SHOWN]
                split = "de-duplicated" if deduplicate else "as they are"
                rows.append((name, split, *map(spread, losses), spread([r["seconds"] for r in runs], 1), len(runs)))
    return table(("preset", "words", "train", "validation", "on unseen words", "seconds", "seeds"), rows)


def mixtures(rows: list[dict[str, Any]]) -> str:
    """What the models of the mixtures reach alone and together, medians over all of them, and what each weighs."""
    names = [name for name in LOSSES if name in rows[0]["loss"]]
    kinds: dict[str, list[dict[str, Any]]] = {}
    for model in (model for row in rows for model in row["models"]):
        kinds.setdefault(model["model"].partition(", seed")[0], []).append(model)
    alone = [(kind, *(spread([m[name] for m in models]) for name in names)) for kind, models in kinds.items()]
    together = ("all as one", *(spread([row["loss"][name] for row in rows]) for name in names))
    heads = (name.replace("val_loss", "validation").replace("_loss", "").replace("_", ", ") for name in names)
    weights = "; ".join(f"{kind}: {spread([m['weight'] for m in models], 2)}" for kind, models in kinds.items())
    equal = spread([row["equal"] for row in rows])
    seconds = spread([row["seconds"] for row in rows], 0)
    return (
        table(("", *(head.replace("unseen", "unseen words") for head in heads)), [*alone, together])
        + f"\nWhat each weighs: {weights}. With equal weights, validation is {equal}. "
        f"Training took {seconds} seconds of one core.\n"
    )


def tried() -> str:
    """Every setting trained to its end on the way to the best of five minutes, best last."""
    rows = sorted(read("tuning") or [], key=lambda row: -float(row["val_loss"]))
    cells = [(r["model"], r["training"], *(f"{r[loss]:.4f}" for loss in SHOWN), f"{r['seconds']:.0f}") for r in rows]
    return table(("model", "training", "train", "validation", "on unseen words", "seconds"), cells)


def growth(data: dict[str, Any]) -> str:
    """Tables of how costs grow."""
    parts = []
    for rows in data["growth"].values():
        cells = [[f"{value:.4g}" if isinstance(value, float) else value for value in row.values()] for row in rows]
        parts.append(table([name.replace("_", " ") for name in rows[0]], cells))
    return "\n".join(parts)


def playground(data: dict[str, Any]) -> str:
    """What each architecture reaches in each of Playground's time budgets."""
    budgets = sorted({row["budget"] for row in data["rows"]})
    rows = []
    for architecture, compiled in dict.fromkeys((row["architecture"], row["compiled"]) for row in data["rows"]):
        cells = []
        for row in (r for r in data["rows"] if (r["architecture"], r["compiled"]) == (architecture, compiled)):
            cells.append(
                f"{spread(row['val_loss'])} at {statistics.median(row['steps']):,.0f} updates, "
                f"in {statistics.median(row['seconds']):.2f} s"
                if "val_loss" in row
                else f"refused: needs {row['needed']:.1f} s"
            )
        rows.append((architecture + ", compiled" * compiled, *cells))
    return table(("validation loss in", *(f"{budget:g} s" for budget in budgets)), rows)


OPENED = {
    "first": "page, first visit after the server's start",
    "switch": "page, from the navigation",
    "reload": "page, reloaded",
    "view": "view of Network",
    "example": "Network",
    "part": "part unfolded",
}
CLICKED = {
    "runs": "the list of runs",
    "next 50": "the next 50 runs",
    "lessons": "the goals on Lessons",
    "compare": "20 runs' curves",
}
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def sequences(data: dict[str, Any]) -> str:
    """Updates a second of models that read from left to right, each way, and how many times as many ours are."""
    titles = {"before": "before", "module": "PyTorch's module", "autograd": "autograd", "by hand": "by hand"}
    ways, rows = [way for way in titles if way in data["rows"][0]], []
    for row in data["rows"]:
        middle = {way: statistics.median(row[way]) for way in (*ways, "compiled")}
        ratios = [f"{middle['by hand'] / middle['autograd']:.1f} ×"]
        ratios += [f"{middle['compiled'] / middle[way]:.1f} ×" for way in ways]
        rows.append((row["name"], row["batch_size"], *(spread(row[way], 1) for way in middle), *ratios))
    header = ["", "words", *(titles[way] for way in ways), "compiled", "by hand ÷ autograd"]
    return table([*header, *(f"compiled ÷ {titles[way]}" for way in ways)], rows)


def opening(data: dict[str, Any]) -> str:
    """Median and first wait for every page, view and part."""
    rows = []
    for kind, title in OPENED.items():
        for name, times in data["seconds"].get(kind, {}).items():
            rows.append((title, PAGES.get(name, name), f"{times[0]:.2f}", spread(times, 2)))
    return table(("seconds to", "", "first", "median"), rows)


def many_runs(data: dict[str, Any]) -> str:
    """Each page's script with one run and with many, in every measurement; of the processor the medians alone."""
    header, rows = ["seconds for a page's script"], {page: [page.capitalize()] for page in data["now"]["seconds"]["1"]}
    for name, measured in data.items():
        for count, pages in measured["seconds"].items():
            header.append(f"{name}, stored runs: {int(count):,}")
            for page, seconds in pages.items():
                processor = f"{statistics.median(seconds['processor']):.2f}"
                rows[page].append(f"{spread(seconds['clock'], 2)}, processor {processor}")
    return table(header, rows.values())


def compare(data: dict[str, Any]) -> str:
    """Seconds from a click to what it asked for, for every database and number of runs."""
    header, rows = ["seconds to"], {what: [title] for what, title in CLICKED.items()}
    for database, measured in data.items():
        for count, waits in measured["seconds"].items():
            header.append(f"{DATABASES[database]}, {int(count):,} runs")
            for what, seconds in waits.items():
                rows[what].append(spread(seconds, 2))
    return table(header, rows.values())


def drill(data: dict[str, Any]) -> str:
    """What was done to server, workers, machine and disk, and what became of the runs."""
    rows = []
    for pause in data["pauses"]["figures"]:
        what = f"SIGSTOP of {pause['paused']}, {pause['seconds']:g} s"
        rows.append((what, f"{pause['finished']} runs at work", f"all finished, {pause['seconds_after']:.1f} s later"))
    crowd = data["busy"]["figures"]
    busy = f"{crowd['loops']} busy loops", f"{crowd['finished']} trainings from the command line at once"
    rows.append((*busy, f"all finished, in {crowd['seconds']:.1f} s"))
    if full := data["full_disk"]["figures"]:
        again = full["seconds_until_saved_again"]
        gap = full["longest_gap_in_curve"]
        done = f"{full['reads']} reads answered; saved again {again:.1f} s after there was room"
        done += f", no gap in the curve above {gap:.1f} s"
        rows.append((f"disk of 8 MB full for {full['seconds']:g} s and more", "2 runs at work, 1 waits", done))
        rows.append(("", "in the log, all of it", f"{len(set(full['log']))} sentences in {len(full['log'])} lines"))
        rows.append(("", "on screen", " ".join(full["on_screen"])))
    dead = data["killed"]["figures"]
    kept = f"{dead['interrupted']} interrupted, each with its curve; all continued to the weights of one never killed"
    rows.append((f"SIGKILL of {dead['workers']} workers, {dead['servers']} servers", "1 run each", kept))
    loads = [data[part]["load"] for part in data]
    text = table(("", "", "outcome"), rows)
    return text + f"\nLoad at the start of a part: {min(loads):.1f} to {max(loads):.1f}.\n"


def drill_sweep(data: dict[str, Any]) -> str:
    """What was done to each sweep, and what it cost."""
    rows = []
    for name, found in data.items():
        done = "; ".join(f"{what}: {count}" for what, count in sorted(found["done"].items()))
        again = f"{found['continued']}, of which at most {found['trained_again_most']:.1f} s were trained again"
        minutes = f"{found['seconds'] / 60:.0f} min, load {found['load']:.0f}"
        rows.append((name, found["settings"]["seed"], found["runs"], done, again, minutes))
    return table(("", "seed", "runs, all finished once", "what was done", "lives of runs cut short", "took"), rows)


def sweeps(data: dict[str, Any]) -> str:
    """Each measurement of a sweep beside a bare loop over the same models."""
    rows = []
    for name, found in data.items():
        two = found.get("two_bare_processes_are_so_many")
        shares = (found[what] for what in ("beside_updates_and_losses", "beside_updates"))
        reached = f"{found['of_so_many_bare_processes'] / 2:.2f}", f"{two / 2:.2f}" if two else "–"
        seconds = f"{found['sweep']['clock']:.0f}"
        load = f"{found['load']:.0f}"
        rows.append((name, found["models"], load, seconds, *reached, *(f"{share:.0%}" for share in shares)))
    of_twice = "its speed, of twice one bare process", "two bare processes at once, of the same"
    beside = "processor beside updates and losses", "processor beside updates"
    return table(("", "models", "load at the end", "seconds", *of_twice, *beside), rows)


def cluster(data: dict[str, Any]) -> str:
    """Two workers of a cluster beside two of this machine."""
    rows = []
    for name in ("pool", "cluster"):
        speeds, beyond = data["models_a_second"][name], data["beyond_seconds"][name]
        spread = f"{statistics.median(speeds):.2f} ({min(speeds):.2f} to {max(speeds):.2f})"
        rows.append((WHOSE[name], spread, f"{1000 * beyond:.0f}", f"{1000 * beyond / 2:.0f}"))
    short = f"{data['runs']:,} short runs: ms of a worker beyond training, each"
    return table(("", "models of a grid a second", short, "by the clock, with two workers"), rows)


def carried(data: dict[str, Any]) -> str:
    """What each database took, and how long students waited for it."""
    writes, waits = [], []
    for name, found in data.items():
        best = max(found["writes"], key=lambda row: float(row["a_second"]))
        enough = [row["runs"] for row in found["running"] if row["of_95"] <= 150]
        processor = f"{best['ms_of_client']:.1f}" + (f" + {best['ms_of_server']:.1f}" if best["ms_of_server"] else "")
        alone = next(row for row in found["writes"] if row["writers"] == 2)["a_second"]
        writes.append((name, f"{alone:,.0f}", f"{best['a_second']:,.0f}", processor, max(enough, default="none")))
        for what, wait in found["course"]["waits"].items():
            waits.append((name, what, wait["count"], f"{wait['median']:,.0f}", f"{wait['of_95']:,.0f}"))
    header = ("", "writes a second, 2 writers", "the most of all", "ms of a processor each", "running runs carried")
    return (
        table(header, writes) + "\n" + table(("", "what a student waits for", "times", "median ms", "95 % ms"), waits)
    )


def plot(data: dict[str, Any], path: Path) -> None:
    """All runs: seconds from words in memory against the validation loss reached."""
    from playwright.sync_api import sync_playwright

    from tests.browser.app_server import launch

    figure = go.Figure()
    for name, symbol in zip(NAMES, ("circle", "square", "diamond", "star", "cross"), strict=True):
        runs = [r for r in data["runs"] if r["name"] == name and r["val_loss"] is not None]
        x, y = [r["seconds"] for r in runs], [r["val_loss"] for r in runs]
        figure.add_scatter(x=x, y=y, mode="markers", name=NAMES[name], marker={"symbol": symbol, "size": 11})
    figure.update_xaxes(type="log", title="Seconds from words in memory to trained weights, one core")
    figure.update_yaxes(title="Validation loss (nats per character)")
    figure.update_layout(
        template="plotly_white", title="Five seeds each: time and validation loss", width=900, height=420
    )
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": 920, "height": 440})
        page.set_content(figure.to_html(include_plotlyjs=True, config={"staticPlot": True}))
        page.wait_for_selector(".main-svg")
        page.screenshot(path=path)
        browser.close()


def remedies(rows: list[dict[str, Any]]) -> str:
    """Each case on each corpus: validation before, the remedy, and after; where nothing is found, no remedy."""
    lines = [
        (
            r["case"],
            r["corpus"],
            f"{r['before']:.4g}" if r["before"] > 100 else f"{r['before']:.4f}",
            r.get("remedy", "nothing found"),
            f"{r['after']:.4f}" if "after" in r else "",
            {True: "yes", False: "no"}.get(r.get("again"), ""),
        )
        for r in rows
    ]
    return table(("run", "corpus", "before", "remedy", "after", "found again"), lines)


def health(rows: list[dict[str, Any]]) -> str:
    """A row a preset, a column a corpus: the validation loss, and what was found, if anything was."""
    corpora = list(dict.fromkeys(r["corpus"] for r in rows))
    cells = {(r["preset"], r["corpus"]): ", ".join([f"{r['val_loss']:.4f}", *r["found"]]) for r in rows}
    presets = dict.fromkeys(r["preset"] for r in rows)
    return table(("", *corpora), [(name, *(cells.get((name, c), "–") for c in corpora)) for name in presets])


def contexts(rows: list[dict[str, Any]]) -> str:
    """Validation loss by context size and embedding dimension: mean ± standard error over the seeds."""
    means = {(r["context_size"], r["embedding_dim"]): mean_of(r["val_loss"]) for r in rows}
    dims = sorted({dim for _, dim in means})
    cells = {key: f"{found.mean:.4f} ± {found.error:.4f}" if found else "" for key, found in means.items()}
    lines = [(context, *(cells[context, dim] for dim in dims)) for context in sorted({c for c, _ in means})]
    return table(("context size", *(f"dimension {dim}" for dim in dims)), lines) + "\n" + lesson(rows)


def lesson(rows: list[dict[str, Any]]) -> str:
    """What the table teaches, by pairs of runs with the same seed."""
    losses = {(r["context_size"], r["embedding_dim"]): dict(zip(r["seeds"], r["val_loss"], strict=True)) for r in rows}
    train = {(r["context_size"], r["embedding_dim"]): statistics.fmean(r["train_loss"]) for r in rows}
    best = min(losses, key=lambda key: statistics.fmean(losses[key].values()))
    contexts, dims = sorted({c for c, _ in losses}), sorted({d for _, d in losses})

    def said(worse: tuple[int, int], better: tuple[int, int]) -> str:
        found = paired_difference(losses[worse], losses[better])
        return f"{found.mean:+.4f} (95 % interval {found.low:+.4f} to {found.high:+.4f}, {found.pairs} pairs)"

    shorter, smaller = (contexts[0], best[1]), (best[0], dims[0])
    last, before = (contexts[-1], best[1]), (best[0], best[1])
    sentences = [
        f"Context pays first: at dimension {best[1]}, context {contexts[0]} instead of {best[0]} costs "
        f"{said(shorter, best)}.",
        f"Dimensions pay less: at context {best[0]}, {dims[0]} numbers a character instead of {best[1]} cost "
        f"{said(smaller, best)}.",
        f"More context than {before[0]} does not pay: at dimension {best[1]}, {last[0]} characters change "
        f"validation by {said(last, before)} and train by {train[last] - train[before]:+.4f}.",
    ]
    return "\n".join(f"- {sentence}" for sentence in sentences) + "\n"


def main() -> None:
    """Write RESULTS.md and its plot."""
    data, mixed = read("speed-full") or read("speed-quick"), read("mixture")
    plot(data, HERE / "results" / "speed.png")
    parts = {
        "machine": ", ".join(f"{name} {value}" for name, value in data["machine"].items()),
        "contest": contest(data),
        "runs": every_run(data),
        "step": step(data),
        "step_us": f"{data['step']['step_microseconds']:.0f}",
        "step_excess": f"{data['step']['attributed_microseconds'] / data['step']['step_microseconds'] - 1:+.1%}",
        "gflops": f"{data['step']['peak_gflops']:.0f}",
        "presets": presets(),
        "two": mixtures(mixed["two"]) if mixed else "Not measured.\n",
        "four": mixtures(mixed["four"]) if mixed else "Not measured.\n",
        "tried": tried(),
        "growth": growth(data) if "growth" in data else "Not measured in a quick run.\n",
        "memory": f"{data['peak_memory_mib']:.0f}",
    }
    others = read("peers")
    parts["peers"] = peers(others) if others else "Not measured.\n"
    parts["peers_load"] = f"{others['load']:.1f}" if others else "not measured"
    read_on = read("sequences")
    parts["sequences"] = sequences(read_on) if read_on else "Not measured.\n"
    parts["sequences_load"] = f"{read_on['load']:.1f}" if read_on else "not measured"
    parts["sequences_before"] = read_on.get("before", "not measured") if read_on else "not measured"
    thought = read("ideas")
    parts["ideas"] = ideas(thought) if thought else "Not measured.\n"
    parts["ideas_floor"] = floor(thought, data) if thought else ""
    parts["ideas_load"] = f"{thought['load']:.1f}" if thought else "not measured"
    played = read("playground")
    parts["playground"] = playground(played) if played else "Not measured.\n"
    parts["playground_load"] = f"{played['load']:.1f}" if played else "not measured"
    opened = read("opening")
    parts["opening"] = opening(opened) if opened else "Not measured.\n"
    parts["opening_repeats"] = f"{opened['repeats']}" if opened else "20"
    parts["opening_load"] = " to ".join(f"{load:.1f}" for load in opened["load"]) if opened else "not measured"
    stored = read("many-runs")
    parts["many_runs"] = many_runs(stored) if stored else "Not measured.\n"
    clicked = read("compare")
    parts["compare"] = compare(clicked) if clicked else "Not measured.\n"
    examined = read("doctor") or {"remedies": [], "health": []}
    parts |= {"remedies": remedies(examined["remedies"]), "health": health(examined["health"])}
    drilled = read("drill")
    parts["drill"] = drill(drilled) if drilled else "Not measured.\n"
    swept = read("drill-sweep")
    parts["drill_sweep"] = drill_sweep(swept) if swept else "Not measured.\n"
    grids = read("sweep")
    parts["sweeps"] = sweeps(grids) if grids else "Not measured.\n"
    shared = read("cluster")
    parts["cluster"] = cluster(shared) if shared else "Not measured.\n"
    parts["cluster_of_pool"] = f"{shared['cluster_of_pool']:.2f}" if shared else "not measured"
    parts["cluster_short"] = f"{1000 * shared['bare_seconds']:.0f}" if shared else "100"
    parts["cluster_load"] = f"{shared['load']:.1f}" if shared else "not measured"
    loaded = read("load")
    parts["carried"] = carried(loaded) if loaded else "Not measured.\n"
    compared = read("context")
    parts["context"] = contexts(compared) if compared else "Not measured.\n"
    latency = read("latency")
    parts["latency"] = f"{latency['playground_median']:.2f}" if latency else "not measured"
    parts["watching"] = f"{latency['watching_costs']:+.1%}" if latency else "not measured"
    text = (HERE / "RESULTS.template.md").read_text()
    for name, value in parts.items():
        text = text.replace(f"{{{name}}}", value)
    (HERE / "RESULTS.md").write_text(text)


if __name__ == "__main__":
    main()
