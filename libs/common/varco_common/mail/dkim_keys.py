"""How domains gets a new DKIM key from relay, which alone can open it. Pure."""

from collections.abc import Callable
from functools import partial

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


encode = msgspec.json.encode

# Both raise msgspec.DecodeError.
decode_question: Callable[[bytes], DkimKeyQuestion] = partial(decode_json, msgspec.json.Decoder(DkimKeyQuestion))
decode_answer: Callable[[bytes], DkimKeyAnswer] = partial(decode_json, msgspec.json.Decoder(DkimKeyAnswer))
