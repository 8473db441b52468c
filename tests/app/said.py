"""Everything that a page says, wherever it says it: texts, labels, help, options, tables, charts, components."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from google.protobuf.message import Message
from streamlit.testing.v1 import AppTest

UNSEEN = {
    "id",
    "key",
    "element_id",
    "form_id",
    "user_key",
    "css_content",
    "js_content",
    "html_content",
    "page_script_hash",
}


def said(app: AppTest) -> Iterator[str]:
    """All texts of a page, in no order."""
    for node in walk(app._tree):
        proto = getattr(node, "proto", None)
        if isinstance(proto, Message):
            yield from of_message(proto)


def walk(node: Any) -> Iterator[Any]:
    yield node
    for child in getattr(node, "children", {}).values():
        yield from walk(child)


def of_message(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        if field.name in UNSEEN:
            continue
        values = value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else [value]
        for one in values:
            if isinstance(one, Message):
                yield from of_message(one)
            elif isinstance(one, str):
                yield from of_text(one)
            elif isinstance(one, bytes) and field.name == "data":
                yield from of_table(one)


def of_text(text: str) -> Iterator[str]:
    try:
        found = json.loads(text)
    except ValueError:
        yield text
    else:
        yield from of_json(found)


def of_json(found: Any) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    for one in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        yield from of_json(one)


def of_table(data: bytes) -> Iterator[str]:
    table = pa.ipc.open_stream(data).read_all()
    for name in table.column_names:
        yield name
        yield from (str(value) for value in table[name].to_pylist() if isinstance(value, str))
