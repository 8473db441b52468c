"""Makemore Lab: the frame around the pages. Start it with ``streamlit run streamlit_app.py``."""

from pathlib import Path

import numpy as np  # noqa: F401 (before any thread starts: an import that two threads share can come out half done)
import streamlit as st

from ui import health, pages, picture, session, terms, warm_up
from ui.generate import tree
from ui.kit import linked
from ui.kit.live import plotly_route
from ui.kit.shell import SIDEBAR, page_routes
from ui.run import link

# A visit runs this script as __main__, the server imports it once under its name; a worker process does neither.
if __name__ == "__main__":
    warm_up.page_begun()
    icon = Path(__file__).parent / "static" / "icon.png"
    st.set_page_config(page_title="Makemore Lab", page_icon=str(icon), layout="wide", initial_sidebar_state=SIDEBAR)
    groups = {
        heading: [st.Page(page.path, title=page.title, icon=page.icon, default=page is pages.HOME) for page in group]
        for heading, group in pages.GROUPS.items()
    }
    moved = [st.Page(page.take_over, url_path=old, visibility="hidden") for old, page in pages.MOVED.items()]
    page = st.navigation(groups | {"": moved})
    with session.sentences():
        if "lesson" in st.query_params or "lesson" in st.session_state:
            from ui.lessons import strip

            strip.draw(page.url_path or pages.HOME.name)
        here = pages.BY_NAME.get(page.url_path or pages.HOME.name)
        with st.container(key="arrival"):  # what is to be said of the address
            if here:
                link.receive(here)
            linked.begin(page.url_path)
        if here:
            link.draw(here)
        page.run()
        if here is pages.TRAIN:
            link.write()
        linked.end()
        terms.draw()
        session.queue()  # where the server did not start it: after the page, which comes first
    warm_up.page_drawn()
elif __name__ == "streamlit_app":
    routes = [plotly_route(), health.route(), picture.checkpoints_route(), tree.words_route()]
    routes += page_routes([*pages.BY_NAME, *pages.MOVED])
    app = st.App(__file__, lifespan=warm_up.serving, on_script_error=session.said, routes=routes)
