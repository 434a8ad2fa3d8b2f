"""How audit asks relay which routes past mail would take under another account file. Pure."""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from varco_common.base.json_decoding import decode_json
from varco_common.base.subjects import request

ROUTES = request("relay", "routes")


class RouteQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """`pairs` are senders and recipients, `sections` those of an account file."""

    account: str
    sections: dict[str, Any]
    pairs: list[tuple[str, str]]


class RouteAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """For each pair the place in `routes` of its route now, and of that under the file.

    `changes` are what the file would change, for people. If relay refuses the file, `refused` says
    why and `where`.
    """

    routes: list[str] = []
    before: list[int] = []
    after: list[int] = []
    changes: list[str] = []
    refused: str = ""
    where: tuple[str, ...] = ()


encode = msgspec.json.encode

# Both raise msgspec.DecodeError.
decode_question: Callable[[bytes], RouteQuestion] = partial(decode_json, msgspec.json.Decoder(RouteQuestion))
decode_answer: Callable[[bytes], RouteAnswer] = partial(decode_json, msgspec.json.Decoder(RouteAnswer))
