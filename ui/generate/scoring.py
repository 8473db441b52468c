"""A word's score and an audit of samples, on screen: Generate's lower half."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from mmcore import Examples, Splits, Vocab, show_symbol
from ui.kit import symbols
from ui.kit.plots import every
from ui.kit.symbols import symbol_title
from ui.kit.text import nats, plain
from ui.kit.theme import PLOTLY_CONFIG, SURFACES, Theme, color, figure_layout, line, marker

if TYPE_CHECKING:
    from mmcore import MLP, Artifact
    from mmcore.scoring import NearestWords

IN_A_ROW = 12  # letters of a strip side by side, so that their numbers can be read on a phone
CLOSEST = 20  # samples that are compared with the train words
COMPARED, LONGEST = 100_000, 40  # train words at most, and their letters: a comparison stays within a tenth of a second


def strip(score: pd.DataFrame, theme: Theme) -> go.Figure:
    """Each letter with its probability and surprisal written on it, darker the more it surprises."""
    rows = math.ceil(len(score) / IN_A_ROW)
    columns = min(len(score), IN_A_ROW)
    shade: list[list[float | None]] = [[None] * columns for _ in range(rows)]
    text, hover = [[""] * columns for _ in range(rows)], [[""] * columns for _ in range(rows)]
    for i, letter in enumerate(score.itertuples()):
        row, column = divmod(i, IN_A_ROW)
        shade[row][column] = float(letter.surprisal)
        text[row][column] = (
            f"<b>{show_symbol(letter.symbol)}</b><br>{percent(letter.probability)}<br>{nats(letter.surprisal, 2)}"
        )
        expected = f"{show_symbol(letter.expected)} with {100 * letter.expected_probability:.4f} %"
        hover[row][column] = (
            f"{show_symbol(letter.symbol)} after {letter.context}<br>probability {letter.probability:.9g}<br>"
            f"surprisal {letter.surprisal:.6f} nats, place {letter.rank}<br>expected {expected}"
        )
    figure = go.Figure(
        go.Heatmap(
            z=shade,
            text=text,
            texttemplate="%{text}",
            textfont={"size": 14},
            hovertext=hover,
            hovertemplate="%{hovertext}<extra></extra>",
            colorscale=list(SURFACES[theme].scale),
            zmin=0,
            zmax=max(6.0, float(score["surprisal"].max())),
            colorbar={"thickness": 10, "title": {"text": "Nats"}},
            xgap=2,
            ygap=2,
        )
    )
    layout = figure_layout("Surprise at each letter", x="", y="", theme=theme, height=110 + 84 * rows)
    figure.update_layout(layout, margin_t=48)
    figure.update_xaxes(visible=False, fixedrange=True)
    return figure.update_yaxes(visible=False, autorange="reversed", fixedrange=True)


def percent(probability: float) -> str:
    """A probability in as few characters as say something: ``46 %``, ``2.1 %``, ``0.003 %``."""
    share = 100 * probability
    return f"{share:.0f} %" if share >= 10 else f"{share:.1f} %" if share >= 0.1 else f"{share:.1g} %"


def rounded(number: float) -> str:
    """Three digits that count: ``5,880``, ``1.2e+12``."""
    return f"{float(f'{number:.3g}'):,.0f}" if 100 <= number < 1e9 else f"{number:.3g}"


def score_sentence(score: pd.DataFrame, share: float) -> str:
    """What a word's score says, in two or three sentences."""
    total, letters = float(score["surprisal"].sum()), len(score)
    worst = score.loc[score["surprisal"].idxmax()]
    expected = symbol_title(worst["expected"])
    return (
        f"Surprisal {nats(total, 3)} nats in all, {nats(total / letters)} per character: the model would write this "
        f"word once in {rounded(math.exp(min(total, 700)))}. Per character it is likelier than {share:.1f} % of the "
        "validation words. "
        f"Most surprising: {symbol_title(worst['symbol'])} {place(worst['context'])}, where it expected {expected} "
        f"with {100 * worst['expected_probability']:.1f} %."
    )


def place(context: str) -> str:
    """Where a letter stands, by a context as drawn: of the boundaries before a word one is enough."""
    written = context.lstrip(show_symbol(""))
    return f"after {show_symbol('') * (written != context)}{written}" if written else "at the start"


@st.cache_data(show_spinner="Scoring the validation words …", max_entries=32)
def surprisals(run_id: str, weights: object, _model: MLP, _val: Examples) -> tuple[Any, Any]:
    """Every validation word's surprisal and length, kept per weights: the word typed is compared with them."""
    from mmcore import word_losses

    return word_losses(_model, _val)


def draw_score(run_id: str, model: MLP, vocab: Vocab, word: str, val: Examples, theme: Theme) -> None:
    """A word's strip, what it says, and the exact numbers."""
    from mmcore.scoring import percentile, score_word

    try:
        score = score_word(model, vocab, word)
    except ValueError as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.plotly_chart(strip(score, theme), theme=None, config=PLOTLY_CONFIG, key="strip", alt="Surprise at each letter")
    among = percentile(score, *surprisals(run_id, model.flat.numpy(), model, val))
    st.markdown(plain(score_sentence(score, among)))
    shown = score.assign(symbol=score["symbol"].map(symbol_title), expected=score["expected"].map(symbol_title))
    shown["probability"], shown["expected_probability"] = (
        100 * score["probability"],
        100 * score["expected_probability"],
    )
    columns: dict[str, Any] = {
        "symbol": "letter",
        "probability": st.column_config.NumberColumn("probability (%)", format="%.4f"),
        "surprisal": st.column_config.NumberColumn("surprisal (nats)", format="%.4f"),
        "rank": "place",
        "expected": "expected",
        "expected_probability": st.column_config.NumberColumn("with (%)", format="%.4f"),
        "context": "after",
    }
    with st.expander("Letter by letter", icon=":material/table:"):
        st.dataframe(shown, hide_index=True, column_config=columns, alt="Each letter's score")


# ---- audit


@st.cache_resource(show_spinner="Indexing the train words …", max_entries=8)
def nearest_words(_splits: Splits, key: tuple[object, ...]) -> NearestWords:
    """Train words, ready to be compared with; kept per corpus and split."""
    from mmcore.scoring import NearestWords

    return NearestWords([word for word in _splits.train if len(word) <= LONGEST][:COMPARED] or _splits.train[:1])


@st.cache_data(show_spinner="Sampling at every temperature …", max_entries=32)
def novelty(run_id: str, step: int, _artifact: Artifact, _splits: Splits, n: int, sample_seed: int) -> pd.DataFrame:
    """Where samples are found at each temperature; kept per weights."""
    from mmcore.scoring import novelty_by_temperature

    return novelty_by_temperature(_artifact.model, _artifact.vocab, _splits, n, sample_seed=sample_seed)


@st.cache_data(show_spinner="Comparing the samples …", max_entries=32)
def audited(
    run_id: str, step: int, _artifact: Artifact, _splits: Splits, n: int, temperature: float, sample_seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Lengths, letters and nearest train words of samples, kept per weights."""
    from mmcore import scoring

    words = scoring.sample_words(_artifact.model, _artifact.vocab, n, temperature, sample_seed)
    corpus = [word for _, part in _splits.items() for word in part]
    config = _artifact.config
    index = nearest_words(_splits, (config.corpus_sha256, config.split))
    near = [(word, *index.nearest(word)) for word in words[:CLOSEST]]
    lengths = scoring.length_distribution(words, corpus)
    letters = scoring.character_distribution(words, corpus, _artifact.vocab)
    return lengths, letters, pd.DataFrame(near, columns=["sample", "nearest", "edits"])


def draw_audit(run_id: str, artifact: Artifact, splits: Splits, theme: Theme) -> None:
    """Novelty against temperature, nearest train words, and two distributions against the corpus."""
    from mmcore import scoring

    with st.container(horizontal=True, vertical_alignment="bottom"):
        n = st.number_input(
            "Words per temperature", 20, 2_000, 200, 20, key="audit_n", width=190, help="More is slower."
        )
        seed = st.number_input(
            "Audit seed", 0, 2**31 - 1, 0, key="audit_seed", width=150, help="Same seed, same words."
        )
        heat = st.number_input(
            "Audit temperature",
            0.1,
            5.0,
            1.0,
            0.1,
            key="audit_temperature",
            width=170,
            help="Of the words compared below.",
        )
    table = novelty(run_id, artifact.step, artifact, splits, n, seed)
    chart: dict[str, Any] = {"theme": None, "config": PLOTLY_CONFIG}
    figure = novelty_chart(table, heat, theme)
    st.plotly_chart(figure, key="novelty", alt="Share of new and of memorised samples by temperature", **chart)
    lengths, letters, near = audited(run_id, artifact.step, artifact, splits, n, heat, seed)
    left, right = st.columns(2, gap="medium")
    left.plotly_chart(compared(lengths, "length", "Length", theme), key="audit_lengths", alt="Lengths", **chart)
    most = letters.nlargest(symbols.MOST, "corpus", keep="first").sort_index()
    most = most.assign(symbol=most["symbol"].map(show_symbol))
    right.plotly_chart(compared(most, "symbol", "Letter", theme), key="audit_letters", alt="Letters", **chart)
    if len(most) < len(letters):
        right.caption(f"Shown are the {len(most):,} letters that the corpus has most of, out of {len(letters):,}.")
    st.markdown(
        f"Lengths differ from the corpus by {scoring.total_variation(lengths):.1f} %, letters by "
        f"{scoring.total_variation(letters):.1f} % (share that would have to move). "
        f"{n} words drawn from the corpus itself would not fit it exactly either."
    )
    among = f" among {COMPARED:,} of up to {LONGEST} letters" if len(splits.train) > COMPARED else ""
    st.markdown(f"**Nearest train word**{among} of the first {len(near)} samples; 0 edits is a word learned by heart.")
    columns: dict[str, Any] = {"nearest": "nearest train word", "edits": "edits (insert, delete, replace)"}
    st.dataframe(near, hide_index=True, column_config=columns, height=280, alt="Nearest train words")


def novelty_chart(table: pd.DataFrame, temperature: float, theme: Theme) -> go.Figure:
    """Shares of new, memorised, held-out and distinct samples against temperature."""
    figure = go.Figure()
    parts = (
        ("new", "New", "accent"),
        ("train", "In train", "train"),
        ("held_out", "In validation or test", "validation"),
    )
    for column, name, role in (*parts, ("distinct", "Distinct", "reference")):
        figure.add_scatter(
            x=table["temperature"],
            y=table[column],
            name=name,
            mode="lines+markers",
            line=line(role, theme),  # type: ignore[arg-type]
            marker=marker(role, theme),  # type: ignore[arg-type]
            hovertemplate="temperature %{x}<br>%{y:.1f} %<extra>%{fullData.name}</extra>",
        )
    figure.add_vline(temperature, line=line("batch", theme), annotation_text=f"below: {temperature:g}")
    layout = figure_layout("New or learned by heart", x="Temperature", y="Samples (%)", theme=theme, height=420)
    legend = {"yref": "container", "y": 0, "yanchor": "bottom"}  # on a phone it takes several lines
    return figure.update_layout(layout, margin_t=48, legend=legend).update_yaxes(rangemode="tozero")


def compared(shares: pd.DataFrame, key: str, title: str, theme: Theme) -> go.Figure:
    """Samples and corpus side by side."""
    figure = go.Figure()
    for column, role, pattern in (("samples", "accent", "/"), ("corpus", "batch", "")):
        figure.add_bar(
            x=shares[key],
            y=shares[column],
            name=column.capitalize(),
            marker={"color": color(role, theme), "pattern": {"shape": pattern}},  # type: ignore[arg-type]
            hovertemplate="%{x}<br>%{y:.2f} %<extra>%{fullData.name}</extra>",
        )
    layout = figure_layout(f"{title}s of samples and corpus", x=title, y="Share (%)", theme=theme, height=320)
    figure.update_layout(layout, barmode="group")
    widest = int(shares[key].astype(str).str.len().max())
    return figure.update_xaxes(type="category", tickangle=0, tickfont_size=11, dtick=every(widest * len(shares)))
