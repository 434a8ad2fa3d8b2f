"""The file with a service's own key (Fernet's form), mode 0600, which the first start makes."""

from pathlib import Path

from cryptography.fernet import Fernet

from varco_common.base.durable_file import create_durable, make_directory
from varco_common.base.settings import BrokenSetting


def read_key(path: Path) -> bytes:
    """Raises ValueError if the file holds no key, and OSError if it cannot be read or made."""
    make_directory(path.parent)
    if not path.exists():
        create_durable(path, Fernet.generate_key() + b"\n")
    key = path.read_bytes().strip()
    Fernet(key)
    return key


def key_of(variable: str, path: Path, remedy: str) -> bytes:
    """As `read_key`. Raises BrokenSetting; `remedy` says what to do about a damaged key."""
    try:
        return read_key(path)
    except OSError as error:
        raise BrokenSetting(variable, path, f"a file ({error.strerror})") from None
    except ValueError:
        expected = f"a key as the first start makes it; if it was damaged, {remedy}"
        raise BrokenSetting(variable, path, expected) from None
