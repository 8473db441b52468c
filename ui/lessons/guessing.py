"""You against the model: a visitor guesses validation words letter by letter, and is scored as the models are."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from mmcore import guessing
from mmcore.config import SplitConfig
from mmcore.dataset import Vocab, build_examples, show_symbol
from mmcore.guessing import Game, Player
from mmcore.ngram import KneserNey, NGram
from mmcore.store import Run
from ui import pages, session, visitor
from ui.kit.nouns import fit
from ui.kit.symbols import MOST
from ui.kit.text import counted, plain

ORDER = 4  # of Kneser-Ney
YOU, BIGRAM, KNESER_NEY = "You", "Bigram, counted", f"Kneser-Ney, order {ORDER}"
END = "End of the word"
ENOUGH = 2  # standard errors, from where on a difference is said to be one,
CHARACTERS = 30  # and characters: the standard error of fewer is itself a guess
KEPT = "The game is kept until you close or reload this tab."
BY_GUESSES = (
    "Nats per character, by one rule for you and the models: what telling which guess was right costs someone who "
    "knows how often each guess has been right before. It starts from the bigram's shares on train, worth "
    f"{guessing.WORTH} characters."
)
BY_PROBABILITIES = "Nats per character, as on Splits: −ln of the probability that the model gave the letter."


def draw() -> None:
    """The game of this visit, on the split of the visitor's run, or of their corpus."""
    st.header("You against the model", anchor="you-against-the-model")
    said = (
        "Guess validation words letter by letter, the likeliest letter first, as in Shannon's experiment of 1951. They "
        "are drawn from those that occur neither in train nor in test: no model here has learned from them."
    )
    run, corpus = visitor.current_run(), visitor.current_corpus()
    st.markdown(fit(said, corpus.tokens))
    if run is not None and run.config.corpus_sha256 != corpus.sha256:
        run = None
    split = run.config.split if run is not None else SplitConfig()
    game = _game(corpus.sha256, split)
    if game is None:
        if st.button(
            fit("Draw the first word", corpus.tokens),
            icon=":material/casino:",
            key="start_guessing",
            help="It stays hidden.",
        ):
            _start(corpus.sha256, split)
        return

    @st.fragment
    def play() -> None:
        if not game.over:
            _draw_guess(game)
        if game.done:
            _draw_last(game, corpus.sha256, split, run)
            _draw_standings(game, corpus.sha256, split, run)

    play()


# ---- the game, kept for this visit


def _game(sha256: str, split: SplitConfig) -> Game | None:
    kept: tuple[str, SplitConfig, Game] | None = st.session_state.get("guessing")
    return kept[2] if kept is not None and kept[:2] == (sha256, split) else None


def _start(sha256: str, split: SplitConfig) -> None:
    try:
        game = guessing.new_game(session.dataset(sha256, split, ORDER), secrets.randbits(32))
    except ValueError as problem:
        st.warning(plain(f"{problem}."))
        return
    st.session_state["guessing"] = (sha256, split, game)
    st.rerun()


def _title(symbol: int, vocab: Vocab) -> str:
    return plain(show_symbol(vocab.symbols[symbol])) if symbol else fit(END, vocab.tokens)


def _draw_guess(game: Game) -> None:
    """What is known of the word, what it is not, and a button for every letter that is left."""
    place = len(game.ranks) + 1
    st.caption(fit(f"Word {len(game.done) + 1:,}, letter {place}", game.vocab.tokens))
    st.code(game.vocab.drawn(game.vocab.encode(game.prefix)) + game.vocab.cutting.between + "_", language=None)
    if game.wrong:
        st.caption(f"Not: {', '.join(_title(symbol, game.vocab) for symbol in game.wrong)}")
    key = _key(game)
    label = fit("The next letter", game.vocab.tokens)
    options = sorted(game.left, key=lambda symbol: symbol or game.vocab.size)  # end last
    asked: dict[str, Any] = {"format_func": lambda symbol: _title(symbol, game.vocab), "key": key}
    asked |= {"on_change": _guessed, "args": (game, key), "help": "The likeliest one. If it is wrong, guess again."}
    if game.vocab.size <= MOST:
        st.pills(label, options, **asked)
    else:
        st.selectbox(label, options, index=None, **asked)
    st.button(
        "Show it",
        on_click=_given_up,
        args=(game, key),
        icon=":material/visibility:",
        key="give_up",
        help="Counts as if you had guessed what is left in the order of how frequent it is in train.",
    )


def _key(game: Game) -> str:
    """Of what is guessed next: a new one each time, so that nothing is chosen yet."""
    return f"guess_{len(game.done)}_{len(game.ranks) + 1}_{len(game.wrong)}"


def _guessed(game: Game, key: str) -> None:
    symbol = st.session_state.get(key)
    if symbol is not None and key == _key(game):  # a browser may say a guess again with the next one
        game.guess(symbol)


def _given_up(game: Game, key: str) -> None:
    if key == _key(game):
        game.give_up()


# ---- the models, on the same letters


@st.cache_resource(show_spinner="Counting …", max_entries=8)
def _counts(sha256: str, split: SplitConfig) -> tuple[NGram, KneserNey]:
    train = session.dataset(sha256, split, ORDER).train
    return NGram(train, 1), KneserNey(train, ORDER)


def _players(game: Game, sha256: str, split: SplitConfig, run: Run | None) -> dict[str, Player]:
    """Who has guessed the words that are done: the visitor, the count models, and the run."""
    bigram, kneser_ney = _counts(sha256, split)
    examples = build_examples(game.guessed, game.vocab, ORDER)
    players = {YOU: Player(tuple(rank for word in game.done for rank in word))}
    if run is not None and (p := _probabilities(run, game.guessed, game.vocab)) is not None:
        players[f"Run “{run.name}”"] = Player.model(p, examples.targets)
    players[KNESER_NEY] = Player.model(kneser_ney.distribution(examples.contexts), examples.targets)
    return players | {BIGRAM: Player.model(bigram.distribution(examples.contexts), examples.targets)}


def _probabilities(run: Run, words: tuple[str, ...], vocab: Vocab) -> NDArray[np.float64] | None:
    """(N, V), by the last weights of a run; None before the first are saved."""
    artifact = session.artifact(run)
    if artifact is None:
        return None
    from mmcore.evaluation import log_probabilities

    examples = build_examples(words, vocab, run.config.model.context_size)
    p: NDArray[np.float64] = log_probabilities(artifact.model, examples.contexts).double().exp().numpy()
    return p


# ---- what came of it


def _draw_last(game: Game, sha256: str, split: SplitConfig, run: Run | None) -> None:
    """The last word, letter by letter: which guess was right."""
    word, mine = game.guessed[-1], game.done[-1]
    players = _players(game, sha256, split, run)
    tokens = game.vocab.tokens
    asked = fit("How many guesses each letter took:", tokens)
    st.markdown(f"{fit('The last word was', tokens)} **{plain(word)}**. {asked}")
    letters = [*map(show_symbol, game.vocab.cutting.cut(word)), "end"]
    rows = {name: dict(enumerate(player.ranks[-len(mine) :])) for name, player in players.items()}
    table = pd.DataFrame(rows).T
    table.columns = pd.Index([f"{place}: {letter}" for place, letter in enumerate(letters, start=1)])
    st.dataframe(table, alt=f"{fit('Guesses that each letter took', tokens)}, a row a player, of {word}")


def _draw_standings(game: Game, sha256: str, split: SplitConfig, run: Run | None) -> None:
    players = _players(game, sha256, split, run)
    shares = guessing.first_shares(_counts(sha256, split)[0])
    table = guessing.standings(players, shares)
    tokens = game.vocab.tokens
    st.markdown(f"After {counted(len(players[YOU].ranks), game.vocab.noun)}:")
    st.markdown("\n".join(f"- {said}" for said in verdict(players, shares, game.vocab.noun)))
    if run is None:
        pages.TRAIN.link("Train a model to play against")
    shown = table.assign(first=100 * table["first"]).rename(
        columns={
            "player": "Who",
            "first": "Right at once",
            "guesses": fit("Guesses per character", tokens),
            "coded": "Loss by guesses",
            "loss": "Loss by probabilities",
        }
    )
    st.dataframe(
        shown,
        hide_index=True,
        column_config=columns(tokens),
        placeholder="–",
        alt="Each player on what you have guessed: share right at once, guesses, losses",
    )
    st.caption(f"{fit('The end of a word counts as a character.', tokens)} {KEPT}")


def columns(tokens: str) -> dict[str, Any]:
    """What the figures of the table are; its symbols are `tokens`."""
    return {
        "Right at once": st.column_config.NumberColumn(format="%.0f %%"),
        fit("Guesses per character", tokens): st.column_config.NumberColumn(format="%.2f"),
        "Loss by guesses": st.column_config.NumberColumn(format="%.4f", help=fit(BY_GUESSES, tokens)),
        "Loss by probabilities": st.column_config.NumberColumn(format="%.4f", help=fit(BY_PROBABILITIES, tokens)),
    }


def verdict(players: Mapping[str, Player], shares: NDArray[np.float64], noun: str) -> list[str]:
    """Whom the visitor beats on what was guessed so far, and whether that may be chance; a sentence a model."""
    said = []
    for name, player in players.items():
        if name == YOU:
            continue
        more, error = guessing.gap(players[YOU], player, shares)
        certain = len(player.ranks) >= CHARACTERS and abs(more) >= ENOUGH * error
        said.append(
            f"{plain(name)}: your loss by guesses is {abs(more):.2f} nats per {noun} "
            f"{'higher' if more > 0 else 'lower'}, standard error {error:.2f}, "
            f"{'more than chance makes likely' if certain else 'which may be chance'}."
        )
    return said
