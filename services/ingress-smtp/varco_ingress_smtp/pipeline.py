"""The path of one mail: sender, envelope, body, ballot, verdict, record (docs/flow.md)."""

import asyncio
from datetime import UTC, datetime

from varco_common.base import log
from varco_common.base.ids import new_id
from varco_common.bus import Bus
from varco_common.events.ban_table import BanTable
from varco_common.mail.ballot import Ballot, Vote
from varco_common.mail.delivery_options import RecipientOptions
from varco_common.mail.grants import Denied, Grant, NetworkQuestion, Unavailable
from varco_common.mail.hops import MAX_HOPS, count_hops
from varco_common.mail.notices import ascii_of
from varco_common.mail.replies import Reply
from varco_common.mail.verdict import Verdict, verdict
from varco_common.mime import Manifest, scan
from varco_ingress_smtp import envelope_checks, metrics
from varco_ingress_smtp.authentication import Authenticator, CachedGrant
from varco_ingress_smtp.next_hop_capabilities import NextHopCapabilities
from varco_ingress_smtp.parameters import read_mail_parameters, read_recipient_parameters, recipient_bytes
from varco_ingress_smtp.recorder import Recorder, Votes
from varco_ingress_smtp.settings import Settings
from varco_ingress_smtp.smtp import answers, body_reader
from varco_ingress_smtp.smtp.body_reader import BodyFault, BodyReader
from varco_ingress_smtp.smtp.limits import MinimumDataRate
from varco_ingress_smtp.smtp.line_reader import LineReader
from varco_ingress_smtp.smtp.path_parser import MailPath
from varco_ingress_smtp.spool import SMALL_BYTES, MemoryBudget, Spool
from varco_ingress_smtp.stored_message import ReceivedBody
from varco_ingress_smtp.transaction import SessionInfo, Transaction

BODY_MEMORY = 64 * 1024 * 1024  # bytes for the bodies of all sessions of a process; others wait on disk
MAX_SCAN = 262_144  # bytes; a larger body is scanned in a thread, so that the other sessions go on
MAX_RECORDED_REFUSALS = 100  # recipients of one mail whose refusal becomes an event
MAX_LOGGED_RECIPIENTS = 20  # a log line stays readable; the event has all of them
MAX_HEADER = 1_048_576  # bytes; no mail client reads a longer header

_FAULTS = {
    BodyFault.TOO_BIG: Reply.TOO_BIG,
    BodyFault.BARE_LINE_END: Reply.BARE_LINE_END,
    BodyFault.LINE_TOO_LONG: Reply.LINE_TOO_LONG,
    BodyFault.NO_ROOM: Reply.STORE_FULL,
}


class MailPipeline:
    """What all sessions of a process share. Its methods return the answer to the client."""

    def __init__(
        self,
        settings: Settings,
        bus: Bus,
        recorder: Recorder,
        authenticator: Authenticator,
        next_hops: NextHopCapabilities,
        *,
        table: BanTable,
    ) -> None:
        self._settings = settings
        self._bus = bus
        self._recorder = recorder
        self._authenticator = authenticator
        self._next_hops = next_hops
        self._table = table
        self._voters = settings.voters
        self._vote_seconds = settings.vote_timeout.total_seconds()
        self._spools = settings.home / "spool"
        self._memory = MemoryBudget(BODY_MEMORY)

    # Who sends

    async def identify(self, info: SessionInfo) -> CachedGrant | str:
        """The grant of the session: of its login, or of the network that it comes from."""
        granted = info.granted
        if granted and info.login and self._authenticator.login_ended(granted):
            return answers.LOGIN_ENDED
        if granted and (info.login or not self._authenticator.account_changed(granted)):
            return granted
        info.granted = None
        if info.is_health_check:
            return Reply.NOT_AUTHENTICATED.answer.line()
        match await self._authenticator.network(NetworkQuestion(host=info.host, server_name=info.server_name)):
            case CachedGrant() as answer:
                info.granted = answer
                return answer
            case Denied():
                return Reply.NOT_AUTHENTICATED.answer.line()
            case Unavailable():
                return answers.INTERNAL

    async def repairs(self, info: SessionInfo) -> Grant | None:
        """The grant of a session whose network may send what old devices send."""
        granted = await self.identify(info)
        return granted.grant if isinstance(granted, CachedGrant) and granted.grant.normalise else None

    # MAIL, RCPT

    async def mail(self, info: SessionInfo, path: MailPath) -> Transaction | str:
        """Begins a transaction, unless the rules for envelopes forbid it."""
        granted = await self.identify(info)
        if not isinstance(granted, CachedGrant):
            return granted
        mail = Transaction(id=new_id(), granted=granted, sender=path.address, received_at=datetime.now(UTC))
        if (path.parameters or not path.address.isascii()) and (answer := self._read_parameters(info, mail, path)):
            return answer
        mail.address_bytes = len(path.address.encode())
        objection = self._stop_objection(info, mail)
        if not objection and not self._authenticator.account_changed(granted):
            objection = envelope_checks.sender_objection(mail)
        if mail.declared_size > (max_size := self._max_size(mail)):
            objection = objection or envelope_checks.size_objection(mail, max_size)
        objection = objection or self._next_hop_objection(mail, smtputf8=not mail.sender.isascii())
        return await self._refuse(info, mail, objection) if objection else mail

    def _stop_objection(self, info: SessionInfo, mail: Transaction) -> Vote | None:
        """The objection to a stopped login. Where ingress is behind, banguard's vote has it."""
        if not self._table.stops:
            return None
        texts = mail.granted.grant.texts
        return self._table.stopped(mail.envelope(info), envelope_checks.VOTER, datetime.now(UTC), texts)

    def _read_parameters(self, info: SessionInfo, mail: Transaction, path: MailPath) -> str:
        if path.repeated:
            return answers.BAD_PARAMETER
        offered = self.offers_require_tls(info)
        return read_mail_parameters(mail, path.parameters, offers_require_tls=offered)

    def offers_require_tls(self, info: SessionInfo) -> bool:
        """Inside TLS, to an account whose next hop takes it: else the mail could only bounce."""
        return bool(info.tls and info.granted and self._next_hops.require_tls(info.granted.grant.account))

    async def rcpt(self, info: SessionInfo, mail: Transaction, path: MailPath) -> str:
        """Adds a recipient. A repeated one counts once."""
        address = path.address
        options = _recipient_options(info, path)
        if isinstance(options, str):
            return options
        if not address.isascii():
            if not mail.smtputf8:
                return answers.NEEDS_SMTPUTF8  # RFC 6531 3.5
            if objection := self._next_hop_objection(mail, smtputf8=True):
                return await self._refuse(info, mail, objection)
        if address in mail.recipients:
            return answers.RECIPIENT_OK
        if envelope_checks.recipient_limit_reached(mail, options, self._max_recipients(mail)):
            return await self._too_many(info, mail, address)
        mail.recipients[address] = None
        mail.address_bytes += recipient_bytes(options)
        if path.parameters:
            mail.options[address] = options
        return answers.RECIPIENT_OK

    async def _too_many(self, info: SessionInfo, mail: Transaction, address: str) -> str:
        """452 for a recipient over the limit (RFC 5321 4.5.3.1.10).

        The mail may go on without it.
        """
        vote = envelope_checks.recipients_objection(mail, min(self._max_recipients(mail), len(mail.recipients)))
        answer = _answer(mail, vote.reply, vote.text)
        if address in mail.refused or len(mail.refused) >= MAX_RECORDED_REFUSALS:
            return answer
        mail.refused.add(address)
        reply = await self._recorder.append_recipient_refusal(
            mail, info, address, vote.reply, answer.replace("\r\n", "\n")
        )
        return answer if reply is vote.reply else _answer(mail, reply)

    def _max_size(self, mail: Transaction) -> int:
        """The account's limit, while it is known."""
        limit = self._settings.max_size
        return limit if self._authenticator.account_changed(mail.granted) else min(mail.granted.grant.max_size, limit)

    def _max_recipients(self, mail: Transaction) -> int:
        limit = self._settings.max_recipients
        return (
            limit
            if self._authenticator.account_changed(mail.granted)
            else min(mail.granted.grant.max_recipients, limit)
        )

    def _next_hop_objection(self, mail: Transaction, *, smtputf8: bool, eight_bit: bool = False) -> Vote | None:
        """The objection to a mail that the account's next hop is known not to support."""
        reply = self._next_hops.objection(mail.granted.grant.account, smtputf8=smtputf8, eight_bit=eight_bit)
        return envelope_checks.plain_objection(mail, reply) if reply else None

    # DATA

    async def data(self, info: SessionInfo, mail: Transaction, reader: LineReader, pace: MinimumDataRate) -> str:
        """After 354: reads the body, decides, and returns the answer.

        Raises EOFError when the client is gone, EndlessBody, and BodyOutOfSync.
        """
        loop = asyncio.get_running_loop()
        spool = Spool(self._spools, max(self._recorder.inline_bytes, SMALL_BYTES), self._memory)
        body = BodyReader(
            spool,
            max_size=self._max_size(mail),
            normalise=mail.granted.grant.normalise,
            domain=mail.granted.grant.domain,
            discard=body_reader.MAX_DISCARDED,
        )
        try:
            await body.read(reader, pace.received)
            pace.ended()
            begun = loop.time()
            answer = await self._decide(info, mail, body)
            metrics.ANSWER_SECONDS.observe(loop.time() - begun)
            return answer
        finally:
            spool.clear()

    async def _decide(self, info: SessionInfo, mail: Transaction, body: BodyReader) -> str:
        metrics.BYTES.inc(body.spool.size)
        if body.fault:
            reply = _FAULTS[body.fault]
            too_big = reply is Reply.TOO_BIG
            vote = (
                envelope_checks.size_objection(mail, self._max_size(mail))
                if too_big
                else envelope_checks.plain_objection(mail, reply)
            )
            return await self._refuse(info, mail, vote)
        manifest, received = await _scanned(body)
        smtputf8 = mail.smtputf8 and not (mail.ascii and received.header.isascii())
        envelope = mail.envelope(info, size=body.spool.size, smtputf8=smtputf8, eight_bit=body.eight_bit)
        ballot = Ballot(envelope=envelope, manifest=manifest)
        if count_hops(received.header) >= MAX_HOPS:  # the gate's own Received field comes on top
            return await self._refuse(info, mail, envelope_checks.plain_objection(mail, Reply.LOOP), ballot)
        if len(received.header) > MAX_HEADER:
            return await self._refuse(info, mail, envelope_checks.plain_objection(mail, Reply.AMBIGUOUS_BODY), ballot)
        fixed = body.eight_bit and (manifest.signed or manifest.encrypted)  # relay encodes any other mail
        if objection := self._next_hop_objection(mail, smtputf8=smtputf8, eight_bit=fixed):
            return await self._refuse(info, mail, objection, ballot)
        return await self._vote(mail, ballot, received)

    # Ballot, verdict

    async def _vote(self, mail: Transaction, ballot: Ballot, received: ReceivedBody) -> str:
        with metrics.VOTE_SECONDS.time():
            votes = tuple(await self._bus.voting.collect(ballot, self._voters, self._vote_seconds))
        outcome = verdict(votes, self._voters)
        if not outcome.accepted:
            return await self._refused(mail, ballot, votes, self._voters, outcome)
        reply = await self._recorder.append_mail(ballot, votes, outcome, received)
        return self._answered(mail, ballot, reply, _answer(mail, reply))

    async def _refuse(self, info: SessionInfo, mail: Transaction, vote: Vote, ballot: Ballot | None = None) -> str:
        """Refuses without asking the voters; the only vote is that of ingress itself."""
        ballot = ballot or Ballot(envelope=mail.envelope(info), manifest=Manifest())
        return await self._refused(mail, ballot, (vote,), (), Verdict(reply=vote.reply, text=vote.text))

    # Accepted or refused: first the record or event, then the answer

    async def _refused(
        self, mail: Transaction, ballot: Ballot, votes: Votes, required: tuple[str, ...], outcome: Verdict
    ) -> str:
        answer = _answer(mail, outcome.reply, outcome.text)
        reply = await self._recorder.append_refusal(ballot, votes, required, outcome, answer.replace("\r\n", "\n"))
        return self._answered(mail, ballot, reply, answer if reply is outcome.reply else _answer(mail, reply))

    def _answered(self, mail: Transaction, ballot: Ballot, reply: Reply, answer: str) -> str:
        envelope = ballot.envelope
        metrics.MAILS[reply].inc()
        log.line(
            "mail answered",
            {
                "mail": mail.id,
                "account": envelope.account,
                "sender": envelope.sender,
                "recipients": len(envelope.recipients),
                "to": envelope.recipients[:MAX_LOGGED_RECIPIENTS],
                "host": envelope.host,
                "login": envelope.login,
                "size": envelope.size,
                "reply": reply.value,
            },
        )
        return answer


def _recipient_options(info: SessionInfo, path: MailPath) -> RecipientOptions | str:
    """The parameters of RCPT, or the answer to bad ones."""
    if path.parameters and not info.extended:
        return answers.UNKNOWN_PARAMETER
    return answers.BAD_PARAMETER if path.repeated else read_recipient_parameters(path.address, path.parameters)


async def _scanned(body: BodyReader) -> tuple[Manifest, ReceivedBody]:
    """The manifest of the body, and its header."""
    with body.spool.whole() as whole:
        manifest = await asyncio.to_thread(scan, whole) if body.spool.size > MAX_SCAN else scan(whole)
        end = manifest.header_end
        return manifest, ReceivedBody(body.spool, whole[: min(end, MAX_HEADER + 1)], whole[end : end + 2] == b"\r\n")


def _answer(mail: Transaction, reply: Reply, text: str = "") -> str:
    """The answer with the mail's id. A text is ASCII without SMTPUTF8 (RFC 6531 3.7.4.2)."""
    if reply is Reply.ACCEPTED:
        return f"250 2.0.0 Ok: queued as {mail.id}"
    text = text or reply.answer.text
    return reply.answer.line(f"{text if mail.smtputf8 else ascii_of(text)} ({mail.id})")
