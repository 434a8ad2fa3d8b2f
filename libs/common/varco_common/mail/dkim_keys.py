"""How domains gets a new DKIM key from relay, which alone can open it. Pure."""

import msgspec

from varco_common.base.json_decoding import decode_json
from varco_common.base.subjects import request

DKIM_KEY = request("relay", "dkim-key")


class DkimKeyQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for a key pair. `algorithm` is a DkimAlgorithm."""

    algorithm: str


class DkimKeyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`public` is `p=` of the record, `secret` the private key, sealed with relay's own key."""

    public: str
    secret: str


_question = msgspec.json.Decoder(DkimKeyQuestion)
_answer = msgspec.json.Decoder(DkimKeyAnswer)


def encode(message: DkimKeyQuestion | DkimKeyAnswer) -> bytes:
    return msgspec.json.encode(message)


def decode_question(data: bytes) -> DkimKeyQuestion:
    """Raises msgspec.DecodeError."""
    question: DkimKeyQuestion = decode_json(_question, data)
    return question


def decode_answer(data: bytes) -> DkimKeyAnswer:
    """Raises msgspec.DecodeError."""
    answer: DkimKeyAnswer = decode_json(_answer, data)
    return answer
