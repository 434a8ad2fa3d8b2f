"""A client that behaves like a mail server while a gate is disturbed.

It sends every mail that was not answered 250 again, in the next connection.
"""

import smtplib
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from tests.integration.gate import mail, transact


class Sender:
    """Sends one mail after the other until the block ends, each with another subject.

    `answered` are those that got 250, `unsure` those whose connection broke before any answer.
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
