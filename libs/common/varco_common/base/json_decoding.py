"""Decodes JSON that another service sent, with one kind of error, whatever is wrong with it."""

from typing import TypeVar

import msgspec

T = TypeVar("T")


def decode_json(decoder: msgspec.json.Decoder[T], data: bytes | str) -> T:
    """Raises msgspec.DecodeError.

    For JSON that is nested too deeply msgspec itself raises RecursionError, and for text that is
    not UTF-8 UnicodeDecodeError: a handler that does not expect them would end its process.
    """
    try:
        return decoder.decode(data)
    except RecursionError:
        raise msgspec.DecodeError("nested too deeply") from None
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(str(error)) from None
