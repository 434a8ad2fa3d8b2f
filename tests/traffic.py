"""A client as mail servers are: what isn't answered 250 is sent again, in the next connection, while a gate is shaken."""

import smtplib
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from tests.integration.gate import mail, transact


class Sender:
    """Sends one mail after the other for as long as the block lasts; each has a subject of its own.

    `answered` are those that heard 250, `unsure` those whose connection broke before they heard
    anything.
    """

    def __init__(
        self, connect: Callable[[], AbstractContextManager[smtplib.SMTP]], sender: str, recipient: str
    ) -> None:
        self.answered: set[str] = set()
        self.unsure: set[str] = set()
        self.put_off = 0
        self._connect, self._sender, self._recipient = connect, sender, recipient
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._over.is_set():
            try:
                with self._connect() as client:
                    while not self._over.is_set():
                        number += 1
                        self._send(client, f"{self._recipient} {number}")
            except (smtplib.SMTPException, OSError, AssertionError):  # a login that nobody answers is one of the latter
                self.put_off += 1
                self._over.wait(0.05)

    def _send(self, client: smtplib.SMTP, subject: str) -> None:
        self.unsure.add(subject)
        code, _ = transact(client, self._sender, [self._recipient], mail(self._sender, Subject=subject))
        if code == 250:
            self.answered.add(subject)
        self.unsure.discard(subject)
        if code >= 400:
            self.put_off += 1
            client.rset()
