"""The texts of the pages in each language, from `texts.toml` in the folder of each page."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

LANGUAGES = ("en", "it")
SHARED = "shared"


class Texts:
    """The texts of one page, and the shared ones, in one language."""

    def __init__(self, page: str, language: str) -> None:
        self.language = language
        self._texts = {**catalogue(SHARED), **catalogue(page)}

    def __call__(self, key: str, **facts: object) -> str:
        """Raises KeyError for a text that there is not."""
        return self._texts[key][self.language].format(**facts)

    def has(self, key: str) -> bool:
        return key in self._texts


@cache
def catalogue(page: str) -> Mapping[str, Mapping[str, str]]:
    """Key to language to text."""
    return tomllib.loads((files("varco_console") / "html_pages" / page / "texts.toml").read_text())


def negotiate(accepted: str) -> str:
    """The first of our languages in an Accept-Language header (RFC 9110 12.5.4); else English."""
    for entry in sorted(accepted.split(","), key=_quality, reverse=True):
        if (language := entry.strip()[:2].lower()) in LANGUAGES:
            return language
    return LANGUAGES[0]


def _quality(entry: str) -> float:
    _, _, quality = entry.partition(";q=")
    try:
        return float(quality or 1)
    except ValueError:
        return 0.0
