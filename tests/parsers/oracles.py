"""Parsers of other projects: what each shows of a mail.

Most run as a process that reads one mail a line, in base64, and writes one line of JSON for each.
"""

import base64
import email
import email.message
import email.policy
import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

PROGRAMS = Path(__file__).parent / "programs"
_ROOT = Path(__file__).resolve().parent.parent.parent
_JARS = [f"/usr/share/java/{jar}.jar" for jar in ("apache-mime4j-core", "apache-mime4j-dom", "commons-io")]
_MODULES = Path(os.environ.get("VARCO_TEST_NODE_MODULES", _ROOT / ".venv/parsers"))
_UNPACK_SECONDS = 60  # of a program that reads one mail


class Shown(NamedTuple):
    """A part as a parser shows it: its name, media type, and the first bytes of its content."""

    name: str
    media_type: str
    content: bytes


Oracle = Callable[[bytes], list[Shown]]


class Process:
    """A parser in a process of its own. If a mail crashes it, it shows nothing of that mail."""

    def __init__(self, *command: str) -> None:
        self._command = command
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def __call__(self, mail: bytes) -> list[Shown]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(base64.b64encode(mail) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self.close()
            self._start()
            return []
        rows = json.loads(line.decode("utf-8", "replace"))
        return [Shown(name, media_type, base64.b64decode(content)) for name, media_type, content in rows]

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def python(policy: email.policy.Policy) -> Oracle:
    def shown(mail: bytes) -> list[Shown]:
        try:
            return [_shown(part) for part in email.message_from_bytes(mail, policy=policy).walk()]
        except Exception:  # noqa: BLE001  its own faults: it shows nothing
            return []

    return shown


def _shown(part: email.message.Message) -> Shown:
    content = None if part.is_multipart() else part.get_payload(decode=True)
    return Shown(
        str(part.get_filename() or ""), part.get_content_type(), content if isinstance(content, bytes) else b""
    )


def mail_parser(mail: bytes) -> list[Shown]:
    try:
        files = importlib.import_module("mailparser").parse_from_bytes(mail).attachments
        return [Shown(str(file["filename"]), str(file["mail_content_type"]), _payload(file)) for file in files]
    except Exception:  # noqa: BLE001  its own faults: it shows nothing
        return []


def _payload(file: dict[str, object]) -> bytes:
    text = str(file["payload"])
    return base64.b64decode(text + "===") if file["binary"] else text.encode("utf-8", "surrogateescape")


def unpacker(*command: str) -> Oracle:
    """A program that writes the files of a mail into a directory, `{}` in the command."""

    def shown(mail: bytes) -> list[Shown]:
        with tempfile.TemporaryDirectory() as directory:
            source = Path(directory, "mail.eml")
            target = Path(directory, "files")
            source.write_bytes(mail)
            target.mkdir()
            words = [word.format(source=source, target=target) for word in command]
            subprocess.run(words, check=False, capture_output=True, timeout=_UNPACK_SECONDS)
            return [Shown(file.name, "", file.read_bytes()[:64]) for file in target.rglob("*") if file.is_file()]

    return shown


def _python_has(*modules: str) -> bool:
    return _succeeds(
        "/usr/bin/python3", "-c", f"import {', '.join(modules)}; import gi; gi.require_version('GMime', '3.0')"
    )


def _perl_has(module: str) -> bool:
    return _succeeds("perl", f"-M{module}", "-e", "1")


def _succeeds(*command: str) -> bool:
    return (
        shutil.which(command[0]) is not None
        and subprocess.run(command, check=False, capture_output=True).returncode == 0
    )


def _node_has(package: str) -> bool:
    return shutil.which("node") is not None and (_MODULES / "node_modules" / package).is_dir()


class Parser(NamedTuple):
    """How a parser is started, whether it is here, and what installs it."""

    start: Callable[[], Oracle]
    is_here: Callable[[], bool]
    installed_by: str


def _node(package: str) -> Parser:
    return Parser(
        lambda: Process("node", str(PROGRAMS / "node_parts.mjs"), str(_MODULES), package),
        lambda: _node_has(package),
        f"npm install --prefix .venv/parsers {package}",
    )


def _perl(module: str, package: str) -> Parser:
    return Parser(
        lambda: Process("perl", str(PROGRAMS / "perl_parts.pl"), module),
        lambda: _perl_has(module),
        f"apt install {package}",
    )


def _has_java() -> bool:
    return shutil.which("javac") is not None and all(Path(jar).exists() for jar in _JARS)


PARSERS: dict[str, Parser] = {
    "python compat32": Parser(lambda: python(email.policy.compat32), lambda: True, ""),
    "python default": Parser(lambda: python(email.policy.default), lambda: True, ""),
    "mail-parser": Parser(
        lambda: mail_parser, lambda: importlib.util.find_spec("mailparser") is not None, "pip install mail-parser"
    ),
    "postal-mime": _node("postal-mime"),
    "mailparser": _node("mailparser"),
    "GMime": Parser(
        lambda: Process("/usr/bin/python3", str(PROGRAMS / "gmime_parts.py")),
        lambda: _python_has("json"),
        "apt install gir1.2-gmime-3.0 python3-gi",
    ),
    "mime4j": Parser(
        lambda: Process("java", "-cp", ":".join(_JARS), str(PROGRAMS / "Mime4jParts.java")),
        _has_java,
        "apt install libapache-mime4j-java default-jdk-headless",
    ),
    "MIME::Parser": _perl("MIME::Parser", "libmime-tools-perl"),
    "Email::MIME": _perl("Email::MIME", "libemail-mime-perl"),
    "munpack": Parser(
        lambda: unpacker("munpack", "-q", "-t", "-f", "-C", "{target}", "{source}"),
        lambda: shutil.which("munpack") is not None,
        "apt install mpack",
    ),
    "ripmime": Parser(
        lambda: unpacker("ripmime", "-i", "{source}", "-d", "{target}", "--disable-qmail-bounce"),
        lambda: shutil.which("ripmime") is not None,
        "apt install ripmime",
    ),
}


def running(names: Iterator[str] | list[str]) -> dict[str, Oracle]:
    return {name: PARSERS[name].start() for name in names if PARSERS[name].is_here()}
