"""Every answer that a client can get to a mail, in the order of precedence."""

from enum import StrEnum
from typing import NamedTuple, Self


class ReplyText(NamedTuple):
    """An SMTP answer: basic code (RFC 5321 4.2), enhanced code (RFC 3463), text."""

    code: int
    enhanced: str
    text: str

    def line(self, text: str = "") -> str:
        """The answer on one or more lines, each with both codes (RFC 5321 4.2.1, RFC 2034 4)."""
        lines = (text or self.text).split("\n")
        between = [f"{self.code}-{self.enhanced} {line}" for line in lines[:-1]]
        return "\r\n".join([*between, f"{self.code} {self.enhanced} {lines[-1]}"])


class Reply(StrEnum):
    """What happened to a mail or a command, and the answer to the client.

    A permanent refusal outranks a temporary one, and every refusal outranks an acceptance.
    """

    answer: ReplyText

    def __new__(cls, word: str, code: int, enhanced: str, text: str) -> Self:
        """A member's value is its word in events (`quota-exceeded`); `answer` is the SMTP reply."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.answer = ReplyText(code, enhanced, text)
        return member

    HOST_BANNED = "host-banned", 554, "5.7.1", "Connection refused"
    SENDER_NOT_AUTHORISED = "sender-not-authorised", 550, "5.7.1", "Sender not authorised"
    MISLEADING_NAME = "misleading-name", 550, "5.7.1", "The sender's name holds an address that is not authorised"
    NOT_AUTHENTICATED = "not-authenticated", 530, "5.7.0", "Authentication required"
    INSECURE_AUTH = "insecure-auth", 538, "5.7.11", "Encryption required for authentication: use STARTTLS or port 465"
    WRONG_CREDENTIALS = "wrong-credentials", 535, "5.7.8", "Authentication credentials invalid"
    TOO_BIG = "too-big", 552, "5.3.4", "Message too big"
    FORBIDDEN_ATTACHMENT = "forbidden-attachment", 554, "5.7.1", "Attachment not allowed"
    AMBIGUOUS_BODY = "ambiguous-body", 554, "5.6.0", "Message structure is ambiguous or broken"
    LOOP = "loop", 554, "5.4.6", "The message goes round in a circle: it came through too many servers"
    BARE_LINE_END = "bare-line-end", 550, "5.6.11", "Bare CR or LF in the message: lines must end in CRLF"
    LINE_TOO_LONG = "line-too-long", 554, "5.6.0", "A line of the message is too long"
    ROUTE_LACKS_SMTPUTF8 = "route-lacks-smtputf8", 550, "5.6.7", "The next hop can't carry internationalised addresses"
    ROUTE_LACKS_8BITMIME = "route-lacks-8bitmime", 554, "5.6.3", "The next hop takes 7-bit messages only"
    QUOTA_EXCEEDED_FINALLY = "quota-exceeded-finally", 550, "5.7.1", "Quota exceeded"
    LOGIN_STOPPED = "login-stopped", 450, "4.7.1", "Stopped for now after too many failures"
    QUOTA_EXCEEDED = "quota-exceeded", 450, "4.7.1", "Quota exceeded"
    TOO_MANY_RECIPIENTS = "too-many-recipients", 452, "4.5.3", "Too many recipients"
    STORE_FULL = "store-full", 452, "4.3.1", "Insufficient system storage"
    SERVICE_MISSING = "service-missing", 451, "4.3.0", "Temporarily unable to decide: try again later"
    ACCEPTED = "accepted", 250, "2.0.0", "Ok"

    @property
    def accepts(self) -> bool:
        return self is Reply.ACCEPTED

    @property
    def permanent(self) -> bool:
        return self.answer.code >= 500
