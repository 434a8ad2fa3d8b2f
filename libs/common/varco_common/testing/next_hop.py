"""A next hop for tests and demos: a real SMTP server with scripted answers."""

import asyncio
import contextlib
import ssl
from base64 import b64decode, b64encode
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field

DROP = "DROP"  # as an answer: closes the connection; at the end of data, after it stored the mail
LOSE = "LOSE"  # at the end of data: closes the connection without storing the mail
HANG = "HANG"  # never answers
MAX_LINE = 64 * 1024
REFUSED_TOKEN = b'{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}'


@dataclass(frozen=True, kw_only=True)
class Received:
    """A mail as it came.

    `body` is in wire form (dot-stuffed, without the final dot), `parameters` are those of MAIL FROM
    in upper case.
    """

    sender: str
    recipients: tuple[str, ...]
    body: bytes
    parameters: frozenset[str]
    connection: int
    tls: bool
    login: str
    asked: dict[str, str] = field(default_factory=dict)  # the parameters of RCPT by recipient, as they came

    @property
    def content(self) -> bytes:
        """The body without dot-stuffing (RFC 5321 4.5.2)."""
        plain = self.body.replace(b"\r\n..", b"\r\n.")
        return plain[1:] if plain.startswith(b".") else plain


@dataclass(kw_only=True)
class NextHop:
    """Offers may change at any time; open connections keep those of their EHLO.

    With `close_after_421` every 421 closes the connection (RFC 5321 3.8).

    `script` has answers to give before the usual ones: by verb (`MAIL`, `DATA`, `END`, `EHLO`,
    `GREETING`, `AUTH`, `STARTTLS`), or by a recipient's address. `DROP`, `LOSE` and `HANG` are
    answers, too.
    """

    pipelining: bool = True
    eight_bit: bool = True
    smtputf8: bool = True
    dsn: bool = False
    require_tls: bool = False  # offered inside TLS
    ehlo: bool = True
    max_size: int | None = 0
    context: ssl.SSLContext | None = None
    logins: dict[str, str] = field(default_factory=dict)
    auth: tuple[str, ...] = ("PLAIN", "LOGIN")
    refused_mechanisms: tuple[str, ...] = ()  # offered, and then answered 504
    takes_token: Callable[[str, str], bool] | None = None  # by login and token; with XOAUTH2 or OAUTHBEARER in `auth`
    explains_refused_tokens: bool = True  # first 334 with JSON, as Google; without, at once 535, as Microsoft
    close_after_421: bool = False
    keep: bool = True
    host: str = "127.0.0.1"
    on_mail: Callable[[Received], object] = lambda _: None
    received: list[Received] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    script: defaultdict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))
    port: int = 0
    before_end: Callable[[], Awaitable[object]] | None = None  # awaited before the end of data is answered
    _server: asyncio.Server | None = None
    _open: set[asyncio.Task[None]] = field(default_factory=set)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Listens on `host`, after `stop` on the same port again."""
        self._server = await asyncio.start_server(self._serve, self.host, self.port, limit=MAX_LINE)
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def takes_logins(self) -> bool:
        return bool(self.logins or self.takes_token)

    async def stop(self) -> None:
        """Stops listening, and closes every connection."""
        if self._server:
            self._server.close()
        for task in [*self._open]:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def answer(self, to: str, *answers: str) -> None:
        """Scripts these answers, one each time, before the usual one."""
        self.script[to].extend(answers)

    async def got(self, count: int, timeout: float = 60.0) -> list[Received]:
        """Waits until `count` mails came. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            while len(self.received) < count:
                await self.news()
        return self.received

    async def news(self) -> None:
        """Returns after the next command or mail."""
        self._news.clear()
        await self._news.wait()

    def for_recipient(self, address: str) -> list[Received]:
        return [mail for mail in self.received if address in mail.recipients]

    def took(self, mail: Received) -> None:
        if self.keep:
            self.received.append(mail)
        self.on_mail(mail)
        self._news.set()

    def said(self, line: str) -> None:
        self.commands.append(line)
        self._news.set()

    def next_answer(self, to: str, usual: str) -> str:
        return self.script[to].popleft() if self.script.get(to) else usual

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task
        self._open.add(task)
        try:
            await _Session(self, reader, writer, self.connections).run()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.transport.abort()


class _Drop(ConnectionError):
    """The script closes the connection."""


class _Session:
    """One connection, from greeting to the end."""

    def __init__(self, hop: NextHop, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.hop, self.reader, self.writer, self.number = hop, reader, writer, number
        self.tls, self.login = False, ""
        self.sender: str | None = None
        self.parameters: frozenset[str] = frozenset()
        self.recipients: list[str] = []
        self.asked: dict[str, str] = {}

    async def run(self) -> None:
        await self.say("GREETING", "220 next-hop.test ESMTP")
        while line := await self.reader.readline():
            text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            self.hop.said(text)
            verb, _, rest = text.partition(" ")
            handler = getattr(self, f"on_{verb.lower()}", None)
            if handler is None:
                await self.write("502 5.5.2 unknown command")
            elif await handler(rest) == "bye":
                return

    async def write(self, answer: str) -> None:
        if answer in (DROP, LOSE):
            raise _Drop
        if answer == HANG:
            await asyncio.Event().wait()
        self.writer.write(answer.replace("\n", "\r\n").encode() + b"\r\n")
        await self.writer.drain()
        if self.hop.close_after_421 and answer.startswith("421"):
            raise _Drop

    async def say(self, to: str, usual: str) -> bool:
        """Sends the scripted or usual answer; returns whether it was positive."""
        answer = self.hop.next_answer(to, usual)
        await self.write(answer)
        return answer[:1] in "23"

    async def on_ehlo(self, _: str) -> None:
        hop = self.hop
        if not hop.ehlo:
            return await self.write("502 5.5.1 what is that?")
        offered = [
            *(["PIPELINING"] if hop.pipelining else []),
            *(["8BITMIME"] if hop.eight_bit else []),
            *(["SMTPUTF8"] if hop.smtputf8 else []),
            *([f"SIZE {hop.max_size or ''}".strip()] if hop.max_size is not None else []),
            *(["DSN"] if hop.dsn else []),
            *(["REQUIRETLS"] if hop.require_tls and self.tls else []),
            *(["STARTTLS"] if hop.context and not self.tls else []),
            *([f"AUTH {' '.join(hop.auth)}"] if hop.takes_logins else []),
            "ENHANCEDSTATUSCODES",
        ]
        lines = ["next-hop.test", *offered]
        usual = "\n".join([*(f"250-{word}" for word in lines[:-1]), f"250 {lines[-1]}"])
        await self.say("EHLO", usual)
        return None

    async def on_helo(self, _: str) -> None:
        await self.say("HELO", "250 next-hop.test")

    async def on_starttls(self, _: str) -> None:
        assert self.hop.context
        if await self.say("STARTTLS", "220 2.0.0 go ahead"):
            await self.writer.start_tls(self.hop.context)
            self.tls = True

    async def on_auth(self, rest: str) -> None:
        mechanism, _, initial = rest.partition(" ")
        if mechanism in self.hop.refused_mechanisms:
            return await self.write("504 5.5.4 unrecognised authentication type")
        if mechanism in ("XOAUTH2", "OAUTHBEARER"):
            return await self.on_token(mechanism, initial)
        if mechanism == "PLAIN":
            _, login, password = b64decode(initial).decode().split("\0")
        else:
            words = []
            for prompt in ("VXNlcm5hbWU6", "UGFzc3dvcmQ6"):
                await self.write(f"334 {prompt}")
                words.append(b64decode(await self.reader.readline()).decode())
            login, password = words
        good = self.hop.logins.get(login) == password
        if await self.say("AUTH", "235 2.7.0 welcome" if good else "535 5.7.8 wrong credentials"):
            self.login = login
        return None

    async def on_token(self, mechanism: str, initial: str) -> None:
        """A refused token is explained in JSON, and refused once the client has answered that."""
        if not initial:
            await self.write("334 ")
            initial = (await self.reader.readline()).decode().strip()
        login, token = _login_and_token(mechanism, b64decode(initial).decode())
        assert self.hop.takes_token
        good = self.hop.takes_token(login, token)
        if not good and self.hop.explains_refused_tokens:
            await self.write(f"334 {b64encode(REFUSED_TOKEN).decode()}")
            self.hop.said((await self.reader.readline()).decode().rstrip("\r\n"))
        if await self.say("AUTH", "235 2.7.0 accepted" if good else "535 5.7.8 Username and Password not accepted"):
            self.login = login

    async def on_mail(self, rest: str) -> None:
        if self.hop.takes_logins and not self.login:
            return await self.write("530 5.7.0 authentication required")
        address, _, parameters = rest.partition(">")
        if await self.say("MAIL", "250 2.1.0 ok"):
            self.sender, self.recipients, self.asked = address.partition("<")[2], [], {}
            self.parameters = frozenset(parameters.upper().split())
        return None

    async def on_rcpt(self, rest: str) -> None:
        address = rest.partition("<")[2].partition(">")[0]
        if self.sender is None:
            return await self.write("503 5.5.1 MAIL first")
        if await self.say(address, "250 2.1.5 ok"):
            self.recipients.append(address)
            self.asked[address] = rest.partition(">")[2].strip()
        return None

    async def on_data(self, _: str) -> None:
        if not self.recipients:
            return await self.write("554 5.5.1 no valid recipients")
        if await self.say("DATA", "354 go ahead"):
            await self.end(await self.body())
        return None

    async def body(self) -> bytes:
        """Reads up to CRLF.CRLF; returns all but the final dot and its CRLF."""
        body = bytearray()
        while True:
            try:
                piece = await self.reader.readuntil(b"\r\n")
            except asyncio.LimitOverrunError as error:
                piece = await self.reader.readexactly(error.consumed)
            if piece == b".\r\n" and (not body or body.endswith(b"\r\n")):
                return bytes(body)
            body += piece

    async def end(self, body: bytes) -> None:
        if self.hop.before_end:
            await self.hop.before_end()
        answer = self.hop.next_answer("END", "250 2.0.0 Ok: taken")
        if answer[:1] == "2" or answer == DROP:
            self.hop.took(
                Received(
                    sender=self.sender or "",
                    recipients=tuple(self.recipients),
                    body=body,
                    parameters=self.parameters,
                    connection=self.number,
                    tls=self.tls,
                    login=self.login,
                    asked=self.asked,
                )
            )
        self.sender, self.recipients = None, []
        await self.write(answer)

    async def on_rset(self, _: str) -> None:
        self.sender, self.recipients = None, []
        await self.write("250 2.0.0 ok")

    async def on_noop(self, _: str) -> None:
        await self.write("250 2.0.0 ok")

    async def on_quit(self, _: str) -> str:
        await self.write("221 2.0.0 bye")
        return "bye"


def _login_and_token(mechanism: str, response: str) -> tuple[str, str]:
    """`user=...^Aauth=Bearer ...^A^A`, or `n,a=...,^Ahost=...^Aport=...^Aauth=Bearer ...^A^A`."""
    first, *others = response.rstrip("\x01").split("\x01")
    name = first.removeprefix("user=") if mechanism == "XOAUTH2" else first.split(",")[1].removeprefix("a=")
    return name.replace("=2C", ",").replace("=3D", "="), others[-1].removeprefix("auth=Bearer ")


@contextlib.asynccontextmanager
async def next_hop(**offers: object) -> AsyncIterator[NextHop]:
    """A next hop on an ephemeral port, with the fields of NextHop as `offers`."""
    hop = NextHop(**offers)  # type: ignore[arg-type]
    await hop.start()
    try:
        yield hop
    finally:
        await hop.stop()


def recipients(mails: Iterable[Received]) -> list[str]:
    """Every recipient of every mail; duplicates stay."""
    return [recipient for mail in mails for recipient in mail.recipients]
