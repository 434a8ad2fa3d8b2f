"""The domains of each account with their keys, and the answer to whoever needs a new key."""

import asyncio

from varco_common.events import DkimAlgorithm
from varco_common.events.domain_table import FILTERS, KEY_FILTERS, AccountDomains, account_of, apply
from varco_common.eventsourcing.projection_spec import ProjectionSpec
from varco_common.mail.dkim_keys import DkimKeyAnswer, decode_question, encode
from varco_relay.dkim.keys import KeyBox, make_key

SIGNING_DOMAINS = ProjectionSpec("domains", (*FILTERS, *KEY_FILTERS), apply, AccountDomains, account_of)


class KeyMaker:
    """Makes keys that only this gate's relay can open."""

    def __init__(self, box: KeyBox) -> None:
        self._box = box

    async def answer(self, data: bytes) -> bytes:
        """In a thread: an RSA key takes some 100 ms."""
        algorithm = DkimAlgorithm(decode_question(data).algorithm)
        key = await asyncio.to_thread(make_key, algorithm, self._box)
        return encode(DkimKeyAnswer(public=key.public, secret=key.secret))
