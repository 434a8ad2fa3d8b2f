"""What the next hops said in one attempt so far: the last word on each recipient."""

from collections.abc import Iterator

from varco_common.events import Failure
from varco_relay.decide.outcome import AttemptOutcome
from varco_relay.smtp.smtp_reply import MAX_TEXT

_MAX_ROUTE = 1_000  # characters


class AttemptLog:
    """`failed` has the next hop and the failure of each recipient without a delivery.

    `sequence` is that of the last event that was appended, or 0; `not_asked` is why a next hop was
    not asked.
    """

    def __init__(self) -> None:
        self.failed: dict[str, tuple[str, Failure]] = {}
        self.sequence = 0
        self.not_asked = ""
        self._bounced: set[str] = set()
        self._passed_over: dict[str, str] = {}
        self._dkim: dict[str, str] = {}

    def note(self, host: str, outcome: AttemptOutcome, dkim: str = "") -> None:
        """What became of some recipients at one next hop; `dkim` as in events."""
        self._dkim[host] = dkim
        for recipient in outcome.delivered:
            self.failed.pop(recipient, None)
        for failure in (*outcome.bounced, *outcome.deferred):
            self.failed[failure.recipient] = (host, failure)
        self._bounced.difference_update(failure.recipient for failure in outcome.deferred)
        self._bounced.update(failure.recipient for failure in outcome.bounced)
        if outcome.bounced or outcome.deferred:
            self._passed_over[host] = (*outcome.deferred, *outcome.bounced)[0].answer

    def pass_over(self, host: str, reason: str) -> None:
        """The next hop was not asked."""
        self._passed_over[host] = self.not_asked = reason

    def wait_for_passed_over(self) -> None:
        """Whom only the gate refused, waits: the hop that was not asked may carry the mail."""
        for recipient in [*self._bounced] if self.not_asked else []:
            host, failure = self.failed[recipient]
            if failure.by_gate:
                answer = f"4.4.1 {self.not_asked}"[:MAX_TEXT]
                self.failed[recipient] = (host, Failure(recipient=recipient, status="4.4.1", answer=answer))
                self._bounced.discard(recipient)

    def note_untried(self, recipients: tuple[str, ...]) -> None:
        """No next hop could be asked for these: the last reason holds, unless one has answered."""
        host, reason = next(reversed(self._passed_over.items()), ("", "no next hop"))
        answer = f"4.4.1 {reason}"[:MAX_TEXT]
        unheard = [recipient for recipient in recipients if recipient not in self.failed]
        self.note(
            host, AttemptOutcome(deferred=tuple(Failure(recipient=r, status="4.4.1", answer=answer) for r in unheard))
        )

    def route(self, rule: str, host: str = "") -> str:
        """Why it was this next hop: the rule, and those that did not take the mail before it."""
        passed = (f"{name} passed over: {why}" for name, why in self._passed_over.items() if name != host)
        return "; ".join(filter(None, (rule, *passed)))[:_MAX_ROUTE]

    def dkim(self, host: str) -> str:
        """How the mail was signed that this next hop was offered last; empty if it was not."""
        return self._dkim.get(host, "")

    def failures_by_host(self) -> Iterator[tuple[str, AttemptOutcome]]:
        """The bounced and deferred recipients of each next hop that had the last word."""
        for host in dict.fromkeys(host for host, _ in self.failed.values()):
            failures = [failure for name, failure in self.failed.values() if name == host]
            yield (
                host,
                AttemptOutcome(
                    bounced=tuple(failure for failure in failures if failure.recipient in self._bounced),
                    deferred=tuple(failure for failure in failures if failure.recipient not in self._bounced),
                ),
            )
