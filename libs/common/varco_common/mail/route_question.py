"""How audit asks relay which routes past mail would take under another account file. Pure."""

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


_question = msgspec.json.Decoder(RouteQuestion)
_answer = msgspec.json.Decoder(RouteAnswer)


def encode(message: RouteQuestion | RouteAnswer) -> bytes:
    return msgspec.json.encode(message)


def decode_question(data: bytes) -> RouteQuestion:
    """Raises msgspec.DecodeError."""
    question: RouteQuestion = decode_json(_question, data)
    return question


def decode_answer(data: bytes) -> RouteAnswer:
    """Raises msgspec.DecodeError."""
    answer: RouteAnswer = decode_json(_answer, data)
    return answer
