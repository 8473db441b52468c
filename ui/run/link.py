"""Links to a page: what *Copy link* adds to the address, and what becomes of a link on a server without its run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from mmcore.config import RunConfig
from mmcore.presets import PRESETS
from ui import pages, session, visitor
from ui.form import address, form, settings
from ui.kit import link
from ui.kit.text import plain

if TYPE_CHECKING:
    from mmcore.store import Run
    from ui.pages import Page

OF_A_RUN = (pages.TRAIN, pages.RUNS, pages.SPLITS, pages.GENERATE, *pages.GROUPS["Look inside"])
OF_A_CORPUS = (*OF_A_RUN, pages.DATA, pages.PLAYGROUND)
OFFERED, WRITTEN = "linked_settings", "form_addresses"  # in the session
MOST = 200  # addresses of the form that are remembered


def receive(page: Page) -> None:
    """Take the settings out of an address; before the page is drawn. Playground's are its own."""
    carried = address.in_address(st.query_params) if page is not pages.PLAYGROUND else {}
    unknown = bool(carried) and _forget_unknown_run(page, carried)
    if page is pages.TRAIN:
        _fill_form(carried, unknown=unknown)
        return
    for name in carried:
        st.query_params.pop(name, None)
    if page in OF_A_RUN and (offered := st.session_state.get(OFFERED)):
        st.info("This server does not have the run of this link, but the link carries its settings.")
        pages.TRAIN.link("Train it here", offered)


def _forget_unknown_run(page: Page, carried: Mapping[str, str]) -> bool:
    """Whether an address names a run that this server does not have; then its settings are all that is left of it."""
    asked = st.query_params.get("run")
    if asked is None or visitor.run_asked_for():
        return False
    corpus = {name: st.query_params[name] for name in visitor.CORPUS if name in st.query_params}
    st.session_state[OFFERED] = {**carried, **corpus}
    visitor.close_run()
    return page in OF_A_RUN


def _fill_form(carried: dict[str, str], *, unknown: bool) -> None:
    """Put the settings of an address into the form, unless it is one that the form itself has written."""
    st.session_state.pop(OFFERED, None)
    if not carried or carried in st.session_state.get(WRITTEN, []):
        return
    linked = address.read(carried)
    form.fill(linked.values)
    if unknown:
        begun = " It began with weights of another run, which no link carries." if address.ORIGIN in carried else ""
        st.info(f"This server does not have the run of this link. Its settings are in the form: press Train.{begun}")
    for sentence in linked.wrong:
        st.warning(plain(sentence))


def draw(page: Page) -> None:
    """The button, before the page is drawn, which may stop at any place."""
    run = _shown(page)
    config = _form_config() if page is pages.TRAIN else None
    more = _corpus(run if page is not pages.TRAIN else None) if page in OF_A_CORPUS else {}
    if config or run:
        more |= _settings(run, config)
    with st.container(key="copy_link"):
        link.draw(more)


def _shown(page: Page) -> Run | None:
    return (visitor.run_asked_for() or session.store().latest()) if page in OF_A_RUN else None


def _form_config() -> RunConfig | None:
    """The run that the form describes, whatever it is trained on; None where it describes none."""
    try:
        return settings.read_config(form.settings(), address.NO_CORPUS)
    except (ValueError, KeyError):
        return None


def _settings(run: Run | None, typed: RunConfig | None) -> dict[str, str]:
    """A run, its settings or those that are typed, and whether it began with weights of another."""
    if run is None:
        return address.query_of(typed) if typed else {}
    begun = {address.ORIGIN: run.config.origin.run_id} if run.config.origin else {}
    return {"run": run.id} | address.query_of(typed or run.config) | begun


def _corpus(run: Run | None) -> dict[str, str]:
    """A run's corpus, or the visitor's: its hash, and what somebody needs to know who has to find it."""
    corpus = session.corpus(run.config.corpus_sha256) if run else visitor.corpus_to_show()
    return dict(zip(visitor.CORPUS, (corpus.sha256, corpus.name, f"{len(corpus.words)}"), strict=True))


def write() -> None:
    """Make the address of Train say what is in its form, where that is not what the form begins with there."""
    run, typed, quick = _shown(pages.TRAIN), _form_config(), PRESETS["quick"]
    if typed is None:
        return
    begun = run.config if run else RunConfig(corpus_sha256=address.NO_CORPUS, model=quick.model, train=quick.train)
    query, now = address.query_of(typed), address.in_address(st.query_params)
    if query == address.query_of(begun):
        query = {}
    for name in now.keys() - query.keys():
        st.query_params.pop(name, None)
    if query and now != query:
        st.query_params.update(query)
        st.session_state[WRITTEN] = [*st.session_state.get(WRITTEN, []), query][-MOST:]
