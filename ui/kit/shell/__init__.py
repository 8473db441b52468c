"""The HTML around every page as the browser first gets it: with our style sheets, and a script that mends Streamlit's.

Streamlit sends an empty page, whose script asks for everything else. What only then learns that there is a sidebar, or
that the page is wide, jumps when it does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from ui.kit import theme
from ui.kit.live import address_of

HERE = Path(__file__).parent
PARTS = ("BidiComponent", "Button", "Progress", "Selectbox", "Slider")  # of Streamlit's script: what pages begin with
FONT = "app/static/fonts/inter-latin-wght-normal.woff2"  # comes with the page: text does not wrap anew when it does
SIDEBAR = 220  # px wide, as long as no visitor has pulled at it


def page_routes(names: Iterable[str]) -> list[Route]:
    """Where the server gives the HTML of the first page, ``/``, and of those with a name."""
    html = page_html()

    async def answer(_: Request) -> HTMLResponse:
        return HTMLResponse(html, headers={"Cache-Control": "no-cache"})

    return [Route(address_of(name), answer) for name in ("", *names)]


def page_html() -> str:
    """Streamlit's own page with what is ours at the end of its head."""
    spec = find_spec("streamlit")
    assert spec is not None and spec.origin is not None
    static = Path(spec.origin).parent / "static"
    html = (static / "index.html").read_text("utf-8")
    html = re.sub(r'<link\s+rel="preload"[^>]*as="font"[^>]*>', "", html)  # of Streamlit's own look
    head, end, rest = html.partition("</head>")
    assert end, "Streamlit's page has a head"
    style, shell, script = ((HERE / name).read_text("utf-8") for name in ("style.css", "shell.css", "shell.js"))
    sheet = f"{theme.colours()}\n{style}{shell.replace('SIDEBAR', f'{SIDEBAR}px')}"
    asked = f'<link rel="preload" as="font" type="font/woff2" crossorigin href="./{FONT}">{_preloads(static, html)}'
    return f'{head}{asked}<style>{sheet}</style><script type="module">{script}</script>{end}{rest}'


def _preloads(static: Path, html: str) -> str:
    """Links to modules that Streamlit's script would ask for one after another, and only once it meets them.

    Until an element's module has come, a grey box of about its height stands in its place.
    """
    folder = static / "static" / "js"
    parts = [path for name in PARTS for path in sorted(folder.glob(f"{name}.*.js"))]
    needed = {name for path in parts for name in re.findall(r'from"\./([\w.-]+\.js)"', path.read_text("utf-8"))}
    names = sorted({*(path.name for path in parts), *needed})
    address = "./static/js/{}".format
    links = (f'<link rel="modulepreload" crossorigin href="{address(name)}">' for name in names)
    return "".join(link for name, link in zip(names, links, strict=True) if address(name) not in html)
