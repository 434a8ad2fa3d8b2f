"""The sentences of a trace in each language, from `sentences.toml`."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from varco_common.mail.notice_texts import Language


class Sentences:
    """Those of one language."""

    def __init__(self, language: Language) -> None:
        self._language = language.value

    def __call__(self, key: str, **facts: object) -> str:
        """Raises KeyError for a sentence that there is not."""
        return _catalogue()[key][self._language].format(**facts)

    def counted(self, key: str, number: int) -> str:
        """In the singular or in the plural."""
        return self(f"{key}_{'one' if number == 1 else 'several'}", number=number)


@cache
def _catalogue() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads((files("varco_audit") / "trace" / "sentences.toml").read_text())
