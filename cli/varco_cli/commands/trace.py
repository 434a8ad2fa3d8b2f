"""`varco trace`: prints the whole story of a mail."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from varco_cli import api_client, output
from varco_cli.output import Json, Styled
from varco_cli.times import as_local
from varco_cli.token_names import TokenNames

_TONES = {"good": ("●", "green"), "waits": ("●", "yellow"), "bad": ("●", "red"), "told": ("○", "cyan")}
_CLOCK = "clock"  # the time of the decision, for replays: not a counter
_STATES = {"delivered": "green", "waiting": "yellow", "deferred": "yellow"}


def trace(
    what: Annotated[
        str,
        typer.Argument(
            help="Id of a mail (as in the 250 answer), its Message-ID, a recipient, a sender, or words of its subject."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Prints what became of a mail: its session, the decision, attempts, copies and links.

    Where several mails match, lists them, the newest first, to choose from. Words match a subject
    that has all of them, also as parts of words.

    Examples: `varco trace 06eqkv3g8w3x5m7n2p4q` · `varco trace bob@partner.example` ·
    `varco trace "quarterly figures"` · `varco trace '<1@acme.example>' --json`
    """
    answer: dict[str, Any] = api_client.call("audit", "GET", f"/traces/{quote(what, safe='')}")
    output.show(answer, as_json, lambda: print_story(answer["story"]) if answer["story"] else _mails(what, answer))
    if answer["story"] and answer["more"] and not as_json:
        output.line(
            f"only the first events are shown; all of them: varco events list --oldest --mail {answer['story']['mail']}"
        )


def _mails(what: str, answer: dict[str, Any]) -> None:
    mails = answer["mails"]
    rows = [
        (
            mail["mail"],
            mail["at"],
            f"{mail['sender'] or '<>'} to {_some(mail['recipients'])}",
            mail["subject"],
            "accepted" if mail["accepted"] else mail["answer"].splitlines()[0],
        )
        for mail in mails
    ]
    output.line(
        f"{len(mails)}{' or more' if answer['more'] else ''} mails have the {answer['asked'].replace('_', ' ')} {what},"
        " newest first:"
    )
    output.table(("mail", "received", "from and to", "subject", "decision"), rows)
    output.line(f"choose one: varco trace {mails[0]['mail']}")
    if answer["more"] and answer["asked"] == "subject":
        output.line("more words narrow the search")
    elif answer["more"]:
        output.line(
            f"older ones: varco events list --{answer['asked'].replace('_', '-')} {what} --until {mails[-1]['at']}"
        )


def print_story(story: dict[str, Any]) -> None:
    """Prints a story: the mail, the votes, the events in order, and the state of each recipient."""
    _head(story)
    if story["votes"]:
        _title("How it was decided")
        _votes(story)
    _title("What happened")
    _steps(story["steps"], TokenNames())
    if story["fates"]:
        _title("Where each recipient stands")
        _fates(story["fates"])


def _head(story: dict[str, Any]) -> None:
    output.line("Mail ", Styled(story["mail"], "bold"))
    ballot, session = story["ballot"], story["session"]
    if not ballot:
        output.line("its ballot isn't among the events (yet, or any more): only what happened afterwards is known")
        return
    login = f"logged in as {session['login']}" if session["login"] else "without a login"
    tls = session["tls"] or "no TLS"
    output.record(
        {
            "account": story["account"],
            "received": ballot["at"],
            "from": ballot["sender"] or "<> (a notification: it has no sender)",
            "to": ballot["recipients"],
            "subject": ballot["subject"],
            "Message-ID": ballot["message_id"],
            "size": ballot["size"],
            "session": f"{session['host']} (HELO {session['helo'] or '-'}) by {session['listener']}, {tls}, {login}",
        }
    )
    style = "green" if ballot["accepted"] else "red"
    if ballot["answer"]:
        answer = " / ".join(ballot["answer"].splitlines())
        output.line(Styled("the client was told ", "bold"), Styled(answer, style))


def _votes(story: dict[str, Any]) -> None:
    rows = [
        (
            vote["voter"],
            vote["reply"],
            vote["reason"] or vote["text"],
            ", ".join(f"{name} {number:,}" for name, number in vote["figures"].items() if name != _CLOCK),
            vote["sequence"] or "-",
        )
        for vote in story["votes"]
    ]
    output.table(("voter", "vote", "why", "counters as they were", "knew events up to"), rows)
    if (known := max(vote["sequence"] for vote in story["votes"])) and story["account"]:
        output.line(Styled(f"the rules as they were: varco state --account {story['account']} --at {known}", "dim"))


def _steps(steps: list[dict[str, Any]], names: TokenNames) -> None:
    day = ""
    for step in steps:
        at = as_local(step["at"])
        if f"{at:%Y-%m-%d %Z}" != day:
            day = f"{at:%Y-%m-%d %Z}"
            output.line(Styled(day, "dim"))
        sign, style = _TONES[step["tone"]]
        clock = f"{at:%H:%M:%S}.{at.microsecond // 1000:03}"
        output.line(Styled(clock, "dim"), " ", Styled(sign, style), f" {step['what']}")
        for detail in step["details"]:
            output.line(" " * 15, Styled(names.named(detail), "dim"))


def _fates(fates: list[dict[str, Any]]) -> None:
    rows = [
        (
            fate["recipient"],
            Styled(fate["state"], _STATES.get(fate["state"], "red")),
            fate["at"],
            fate["attempts"] or "-",
            fate["host"],
            fate["answer"],
        )
        for fate in fates
    ]
    output.table(("recipient", "state", "since", "attempts", "by", "answer"), rows)


def _title(text: str) -> None:
    output.line()
    output.line(Styled(text, "bold"))


def _some(addresses: list[str]) -> str:
    return ", ".join(addresses[:2]) + (f" +{len(addresses) - 2}" if len(addresses) > 2 else "")
