"""How many mails of a directory pass, and which attachments the manifest lacks.

`python -m bench.attachment_corpus DIRECTORY [--oracle FILE] [--verbose]` reads every *.eml below
the directory. Each is judged twice: with `attachments: any`, and with an allow-list of every
extension that occurs in it. Python's own parser (and mail-parser, where it is installed) says which
attachments it shows. `--oracle` names a file with a line of JSON for each mail,
{"file": path, "PARSER": [[name, media type], ...]}, made by any other parser.
"""

import argparse
import collections
import email
import email.policy
import importlib
import json
import re
import sys
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from varco_common.events import Choice, Language, Rules
from varco_common.mail.ballot import Ballot
from varco_common.mail.envelope import Envelope
from varco_common.mail.sender_patterns import normal
from varco_common.mime import Manifest, scan
from varco_policy.decide import decide
from varco_policy.extensions import type_extensions
from varco_policy.file_names import extension
from varco_policy.model.account import Account

_INVENTED = re.compile(r"[a-z]{10}\.txt|<.*>")  # what mail-parser calls a part without a name
_AT = datetime(2026, 1, 1, tzinfo=UTC)


def wire_form(data: bytes) -> bytes:
    """As a client sends the file: CRLF, and dots doubled."""
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    return (b"." + lines if lines.startswith(b".") else lines).replace(b"\r\n.", b"\r\n..")


def verdict(manifest: Manifest, rules: Rules) -> str:
    """Policy's reason against the mail; empty if it passes. Its authors are authorised."""
    senders = dict.fromkeys(map(normal, [*manifest.authors, *manifest.senders, "a@b.example"]), _AT)
    account = Account(name="x", language=Language.EN, opened_at=_AT, senders=senders, rules=rules)
    envelope = Envelope(
        id="0" * 20, account="x", sender="a@b.example", host="192.0.2.1", received_at=_AT, recipients=("c@d.example",)
    )
    return decide(Ballot(envelope=envelope, manifest=manifest), account).reason


def every_extension(manifest: Manifest) -> Rules:
    """An allow-list of all that occurs in the likeliest reading, and of common types.

    A part without a name counts as the extensions of its type.
    """
    common = "pdf png jpg jpeg gif txt html htm xml csv doc docx xls xlsx zip eml ics p7m p7s asc bin dat"
    names = {extension(name) for part in manifest.parts for name in part.names}
    names |= {unnamed for part in manifest.parts if not part.names for unnamed in type_extensions(part.media_type)}
    return Rules(attachments=tuple({*names, *common.split()} - {""}), encrypted=Choice.ACCEPT)


def shown_by_python(data: bytes) -> set[str]:
    names: set[str] = set()
    for policy in (email.policy.compat32, email.policy.default):
        try:
            message = email.message_from_bytes(data, policy=policy)
            names |= {str(part.get_filename() or "") for part in message.walk()}
        except Exception:  # noqa: BLE001 - the parser's own bugs
            continue
    return names - {""}


def shown_by_mail_parser(data: bytes) -> set[str]:
    try:
        parser = importlib.import_module("mailparser")
    except ImportError:
        return set()
    try:
        names = {str(file["filename"]) for file in parser.parse_from_bytes(data).attachments}
    except Exception:  # noqa: BLE001 - the parser's own bugs
        return set()

    return {name for name in names if not _INVENTED.fullmatch(name)}


def missing(manifest: Manifest, names: Iterable[str]) -> list[str]:
    """Names whose extension no name in the manifest has."""
    listed = {extension(name) for part in manifest.parts for name in part.names}
    plain = ["".join(c for c in name if unicodedata.category(c)[0] != "C") for name in names]
    return [name for name in plain if extension(name) and extension(name) not in listed and "=?" not in name]


def main() -> None:
    parser = argparse.ArgumentParser(description="Judges a directory of mails.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--oracle", type=Path)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    oracles: dict[str, set[str]] = collections.defaultdict(set)
    for line in arguments.oracle.read_text().splitlines() if arguments.oracle else ():
        facts = json.loads(line)
        oracles[facts.pop("file")] |= {name for shown in facts.values() for name, _ in shown if name}
    counts: collections.Counter[str] = collections.Counter()
    out = sys.stdout
    for path in sorted(arguments.directory.rglob("*.eml")):
        data = path.read_bytes()
        manifest = scan(wire_form(data))
        counts["mails"] += 1
        if reason := verdict(manifest, Rules(attachments=None)):
            counts["refused with any"] += 1
            out.write(f"any   {path.name}: {reason}\n" if arguments.verbose else "")
        elif reason := verdict(manifest, every_extension(manifest)):
            counts["refused with every extension"] += 1
            out.write(f"every {path.name}: {reason}\n" if arguments.verbose else "")
        counts["with defects"] += bool(manifest.defects)
        names = shown_by_python(data) | shown_by_mail_parser(data) | oracles[str(path)]
        if lost := missing(manifest, names):
            reason = verdict(manifest, every_extension(manifest))
            counts["a name is missing, and it passes" if not reason else "a name is missing, but it is refused"] += 1
            out.write(f"MISSING {path.name}: {lost} {manifest.defects} {reason}\n")
    out.write("".join(f"{what}: {count}\n" for what, count in counts.items()))


if __name__ == "__main__":
    main()
