"""Write the lists in gallery/ from the Python package Faker 40.63.0: ``python data/make_gallery.py faker-….whl``.

The argument is the wheel as the package index serves it (``pip download --no-deps faker==40.63.0``). From each locale
come its first names, in lower case, each once, in the order of code points.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import sys
import unicodedata
import zipfile
from pathlib import Path

LICENCE = "faker-40.63.0.dist-info/licenses/LICENSE.txt"
LISTS = ("first_names", "first_names_male", "first_names_female")
# Of each list its locale, how many names it has and the first digits of its sha256.
FILES = {
    "arabic": ("ar_AA", 755, "7bc83bccaf"),
    "bulgarian": ("bg_BG", 1_586, "debde16587"),
    "greek": ("el_GR", 806, "7d6fed018f"),
    "hebrew": ("he_IL", 593, "6b327fce6b"),
    "icelandic": ("is_IS", 3_742, "a84ef824b2"),
    "tamil": ("ta_IN", 958, "be5b0a8fae"),
}


def names_of(locale: str) -> list[str]:
    """The first names of a locale in its own script; those of several words stay."""
    provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
    found = {name for part in LISTS for name in getattr(provider, part, ())}
    tidy = {unicodedata.normalize("NFC", " ".join(name.split()).lower()) for name in found}
    return sorted(name for name in tidy if is_name(name))


def is_name(text: str) -> bool:
    """Whether a text is letters of one script and their marks, and what stands between words."""
    letters = [character for character in text if character not in " -'"]
    scripts = {unicodedata.name(letter).split()[0] for letter in letters}
    return len(scripts) == 1 and all(unicodedata.category(letter)[0] in "LM" for letter in letters)


def check(key: str, names: list[str], text: bytes) -> None:
    """Raise ``ValueError`` unless this is the list that data/README.md speaks of."""
    found = (len(names), hashlib.sha256(text).hexdigest()[:10])
    if found != FILES[key][1:]:
        raise ValueError(f"{key}: names and sha256 must be {FILES[key][1:]}, got {found}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="faker-40.63.0-py3-none-any.whl")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("gallery"))
    arguments = parser.parse_args()
    sys.path.insert(0, str(arguments.wheel))  # Python imports from a zip file
    (arguments.out / "LICENSE.txt").write_bytes(zipfile.ZipFile(arguments.wheel).read(LICENCE))
    for key, (locale, *_) in FILES.items():
        names = names_of(locale)
        text = "".join(f"{name}\n" for name in names).encode()
        check(key, names, text)
        (arguments.out / f"{key}.txt").write_bytes(text)
        print(f"{key}: {len(names):,} names, as expected")
