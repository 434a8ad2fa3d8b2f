"""Asks the DNS what the world sees of a domain or of an address."""

import asyncio
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from varco_common.base import log
from varco_common.dns import Answer, Found, Resolver
from varco_common.events import ReputationFinding
from varco_domains.reputation import block_list
from varco_domains.reputation.block_list import ListAnswers, ListQuestions
from varco_domains.reputation.dkim import KeyRecord, dkim_finding
from varco_domains.reputation.host_names import ptr_finding
from varco_domains.reputation.mail_exchangers import mx_finding
from varco_domains.reputation.published_policies import PolicyQuestion, unanswered

_PROGRAM = "varco_domains.reputation.published_policies"
_START_SECONDS = 60.0  # a busy machine needs that to start the process
_log = log.get(__name__)


class BlockLists(NamedTuple):
    """The zones of lists of addresses and of domains."""

    addresses: Sequence[str]
    domains: Sequence[str]


class KeyRecords(NamedTuple):
    """The values of a domain's key records by their names: of keys that sign, and that wait."""

    signing: Mapping[str, str] = {}
    waiting: Mapping[str, str] = {}


async def look_at_domain(
    resolver: Resolver, domain: str, keys: KeyRecords, lists: BlockLists
) -> list[ReputationFinding]:
    """DKIM, MX and block lists."""
    mx, addresses, published, listed = await asyncio.gather(
        resolver.mx(domain),
        resolver.a(domain),
        asyncio.gather(*(resolver.txt(name) for name in keys.signing)),
        _listed(resolver, [(zone, block_list.domain_questions(zone, domain)) for zone in lists.domains]),
    )
    records = [
        KeyRecord(name, value, answer) for (name, value), answer in zip(keys.signing.items(), published, strict=True)
    ]
    return [
        dkim_finding(domain, records, keys.waiting),
        mx_finding(domain, mx, addresses),
        block_list.lists_finding("domain block lists", domain, listed),
    ]


async def look_at_address(
    resolver: Resolver, address: str, greeting: str, lists: BlockLists
) -> list[ReputationFinding]:
    """PTR and block lists of one of our own addresses."""
    names, listed = await asyncio.gather(
        resolver.ptr(address),
        _listed(resolver, [(zone, block_list.address_questions(zone, address)) for zone in lists.addresses]),
    )
    back = await _addresses_of(resolver, names.records if isinstance(names, Found) else (), address)
    return [
        ptr_finding(address, greeting, names, back),
        block_list.lists_finding("address block lists", address, listed),
    ]


async def read_policies(question: PolicyQuestion) -> dict[str, list[ReputationFinding]]:
    """SPF and DMARC of each domain, from a process of its own.

    Where it fails, nothing can be told of these domains now.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", _PROGRAM, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(question.seconds + _START_SECONDS):
            answer, _ = await process.communicate(msgspec.json.encode(question))
        return msgspec.json.decode(answer, type=dict[str, list[ReputationFinding]])
    except (TimeoutError, msgspec.DecodeError) as error:
        _log.warning("SPF and DMARC can't be read", domains=question.domains, why=repr(error))
        return dict.fromkeys(question.domains, unanswered("the look failed"))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _addresses_of(resolver: Resolver, names: Iterable[str], address: str) -> dict[str, Answer[str]]:
    """The records of the address's own kind."""
    ask, known = (resolver.aaaa if ":" in address else resolver.a), [*names]
    return dict(zip(known, await asyncio.gather(*map(ask, known)), strict=True))


async def _listed(resolver: Resolver, questions: Sequence[tuple[str, ListQuestions]]) -> list[ListAnswers]:
    asked = [asyncio.gather(*map(resolver.a, names)) for _, names in questions]
    answers = await asyncio.gather(*asked)
    return [ListAnswers(zone, *answered) for (zone, _), answered in zip(questions, answers, strict=True)]
