"""The HTML around every page as the browser first gets it: with our style sheets, and a script that mends Streamlit's.

Streamlit sends an empty page, whose script asks for everything else. What only then learns that there is a sidebar, or
that the page is wide, jumps when it does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from ui.kit import theme
from ui.kit.live import PLOTLY_URL, address_of

HERE = Path(__file__).parent
PARTS = ("BidiComponent", "Button", "Progress", "Selectbox", "Slider")  # of Streamlit's script: what pages begin with
LARGE: dict[str, tuple[str, ...]] = {"": (), "curve": (), "charts": ("DataFrame", "PlotlyChart")}
"""What some pages wait for: of Streamlit's script, or ("curve") the Plotly that our own components draw with."""
SIDEBAR = 220  # px wide, as long as no visitor has pulled at it


def page_routes(names: Mapping[str, str]) -> list[Route]:
    """Where the server gives the HTML of pages with these names; with each, what of :data:`LARGE` it begins with.

    The first page, ``/``, has no name.
    """
    return [_route(address_of(name), page_html(large)) for name, large in names.items()]


def _route(address: str, html: str) -> Route:
    async def answer(_: Request) -> HTMLResponse:
        return HTMLResponse(html, headers={"Cache-Control": "no-cache"})

    return Route(address, answer)


@cache
def page_html(large: str = "") -> str:
    """Streamlit's own page with what is ours at the end of its head."""
    spec = find_spec("streamlit")
    assert spec is not None and spec.origin is not None
    static = Path(spec.origin).parent / "static"
    html = (static / "index.html").read_text("utf-8")
    head, end, rest = html.partition("</head>")
    assert end, "Streamlit's page has a head"
    style, shell, script = ((HERE / name).read_text("utf-8") for name in ("style.css", "shell.css", "shell.js"))
    sheet = f"{theme.colours()}\n{style}{shell.replace('SIDEBAR', f'{SIDEBAR}px')}"
    links = _preloads(static, html, (*PARTS, *LARGE[large]))
    if large == "curve":
        links += f'<link rel="preload" as="script" href="./{PLOTLY_URL}">'
    return f'{head}{links}<style>{sheet}</style><script type="module">{script}</script>{end}{rest}'


def _preloads(static: Path, html: str, parts: Iterable[str]) -> str:
    """Links to modules that Streamlit's script would ask for one after another, and only once it meets them.

    Until an element's module has come, a grey box of about its height stands in its place.
    """
    folder = static / "static" / "js"
    files = [path for name in parts for path in sorted(folder.glob(f"{name}.*.js"))]
    needed = {name for path in files for name in re.findall(r'from"\./([\w.-]+\.js)"', path.read_text("utf-8"))}
    names = sorted({*(path.name for path in files), *needed})
    address = "./static/js/{}".format
    links = (f'<link rel="modulepreload" crossorigin href="{address(name)}">' for name in names)
    return "".join(link for name, link in zip(names, links, strict=True) if address(name) not in html)
