"""Several files as one zip."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import Files, Format
    from .trained import Trained

BORN = (1980, 1, 1, 0, 0, 0)  # the same run gives the same zip, byte for byte


def zipped(files: Files) -> bytes:
    """A zip of some files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, BORN), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def everything(trained: Trained, formats: Mapping[str, Format]) -> dict[str, bytes]:
    """The files of every format that this run can be written as, and a text that says what they are."""
    files: dict[str, bytes] = {}
    said = [f"{trained.name}, run {trained.run_id}", ""]
    for known in formats.values():
        if why := known.missing(trained.config):
            said += [f"{known.title}: left out. {why}", ""]
            continue
        made = known.files(trained)
        files |= made
        said += [f"{known.title}: {', '.join(made)}", f"    {known.use}", ""]
    return {"README.txt": "\n".join(said).encode()} | files
