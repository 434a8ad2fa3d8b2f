"""Secrets of an account file that are in files of their own: `client_secret_file` and the like."""

from pathlib import Path
from typing import Any

from varco_cli.failures import Misused
from varco_common.account_file.parsing import Place

FILE_SUFFIX = "_file"
SECRETS = ("client_secret", "certificate", "service_account", "refresh_token")  # of `oauth` in a route
_SECTIONS = ("route", "routes")
MAX_BYTES = 64 * 1024


def with_secrets(content: dict[str, Any], folder: Path, place: Place) -> dict[str, Any]:
    """The content with each secret in place of the name of its file. Raises Misused.

    The files are in `folder`, that of the account file, or below it: an account file that somebody
    else has written must not have other files of this host sent to a token URL of its choice.
    """
    return {
        section: _with_secrets(value, folder, place, [section]) if section in _SECTIONS else value
        for section, value in content.items()
    }


def _with_secrets(value: Any, folder: Path, place: Place, where: list[str]) -> Any:
    if isinstance(value, list):
        return [_with_secrets(entry, folder, place, [*where, str(at)]) for at, entry in enumerate(value)]
    if not isinstance(value, dict):
        return value
    result = {key: _with_secrets(inner, folder, place, [*where, str(key)]) for key, inner in value.items()}
    for secret in SECRETS:
        key = secret + FILE_SUFFIX
        if key in result:
            file, at = result.pop(key), place([*where, key])
            if secret in result:
                raise Misused(f"{at}: give {secret} or {key}, not both")
            result[secret] = _content(file, folder, at)
    return result


def _content(file: object, folder: Path, at: str) -> str:
    if not isinstance(file, str) or not file:
        raise Misused(f"{at}: expected the name of a file")
    path = folder / file
    if not path.resolve().is_relative_to(folder.resolve()):
        raise Misused(f"{at}: {file} is not in the folder of the account file: put it there")
    try:
        with path.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig").strip()
    except OSError as error:
        raise Misused(f"{at}: {path} can't be read: {(error.strerror or 'unknown reason').lower()}") from None
    except UnicodeDecodeError:
        raise Misused(f"{at}: {path} is not text") from None
    if not text or len(content) > MAX_BYTES:
        raise Misused(f"{at}: {path} is empty, or too large for a secret")
    return text
