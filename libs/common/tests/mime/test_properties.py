"""What holds for every mail: nothing raises, offsets lie in the body, sizes are those of a real
decoder, names are found.
"""

import email
import email.policy
import itertools
import json
import mmap
import tempfile
import time
from email.message import EmailMessage, Message
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from varco_common.mime import MAX_MANIFEST_BYTES, Manifest, scan
from varco_common.mime.scanner import scan_or_raise

from .mutate import PIECES
from .ordinary import ORDINARY

WORDS = st.sampled_from(PIECES)
SOUP = st.lists(WORDS | st.binary(max_size=8), max_size=60).map(b"".join)
NAME = st.text(
    st.characters(exclude_categories=("C", "Z"), exclude_characters='/\\:"'), min_size=1, max_size=60
).map(lambda name: f"{name}.pdf")  # fmt: skip


def in_wire_form(message: Message, policy: email.policy.Policy = email.policy.SMTP) -> bytes:
    text = message.as_bytes(policy=policy).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return text.replace(b"\r\n.", b"\r\n..")


def size_in_json(manifest: Manifest) -> int:
    return len(json.dumps(msgspec.to_builtins(manifest)))


def holds(data: bytes) -> Manifest:
    """What a manifest promises whatever the mail is."""
    manifest = scan_or_raise(data)
    assert size_in_json(manifest) < MAX_MANIFEST_BYTES
    assert msgspec.json.decode(msgspec.json.encode(manifest), type=Manifest) == manifest
    assert 0 <= manifest.header_end <= len(data)
    for part in manifest.parts:
        assert 0 <= part.start <= part.end <= len(data)
        assert 0 <= part.size <= part.end - part.start
    for (_, end), (start, _) in itertools.pairwise(manifest.bcc):
        assert end <= start
    for start, end in manifest.bcc:
        assert data[start:end].lower().startswith((b"bcc", b"resent-bcc"))
        assert data[start:end].endswith(b"\r\n") or end == manifest.header_end
    return manifest


@given(SOUP)
@settings(deadline=None, max_examples=400)
def test_nothing_raises_and_offsets_lie_within_the_body(data):
    holds(data)


@given(st.sampled_from(sorted(ORDINARY)), st.data())
@settings(deadline=None, max_examples=300)
def test_a_changed_ordinary_mail_holds(client, data):
    mail = ORDINARY[client]
    at = data.draw(st.integers(0, len(mail)))
    holds(mail[:at] + data.draw(SOUP) + mail[at + data.draw(st.integers(0, 40)) :])


@given(SOUP)
@settings(deadline=None)  # the machine may be busy
def test_a_mapped_body_gives_the_same_manifest(data):
    assert mapped(data + b"\r\n") == scan_or_raise(data + b"\r\n")


def mapped(data: bytes) -> Manifest:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as body:
            return scan_or_raise(body)


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_a_large_mapped_body_gives_the_same_manifest(encoding):
    content = bytes(range(33, 127)) * 100_000
    if encoding == "base64":
        text = MIMEApplication(content).get_payload().encode().replace(b"\n", b"\r\n")
    else:
        text = b"a..line =3D\r\n.. x=\r\n" * 500_000
    head = b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=X\r\n\r\n--X\r\nContent-Type: x/y\r\n"
    data = head + b"Content-Transfer-Encoding: " + encoding.encode() + b"\r\n\r\n" + text + b"\r\n--X--\r\n"
    manifest = scan_or_raise(data)
    assert manifest.defects == ()
    assert mapped(data) == manifest


def compat_attachment(name: str, content: bytes) -> Message:
    message = MIMEMultipart()
    message["From"] = "a@b.example"
    message.attach(MIMEText("hello"))
    part = MIMEApplication(content, name=name)
    part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", name))
    message.attach(part)
    return message


def modern_attachment(name: str, content: bytes) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "a@b.example"
    message.set_content("hello")
    message.add_attachment(content, maintype="application", subtype="pdf", filename=name)
    return message


@pytest.mark.parametrize(
    "policy", [email.policy.SMTP, email.policy.SMTPUTF8, email.policy.default, email.policy.compat32]
)
@given(name=NAME, content=st.binary(max_size=200))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_python_s_names_are_found(policy, name, content):
    make = compat_attachment if policy is email.policy.compat32 else modern_attachment
    part = holds(in_wire_form(make(name, content), policy)).parts[1]
    assert name in part.names or name.strip() in part.names
    assert part.size == len(content)


@given(NAME)
@settings(deadline=None)  # the machine may be busy
def test_a_name_in_one_encoded_word_is_found(name):
    word = email.header.Header(name, "utf-8").encode().replace("\n", "\r\n")
    mail = f'From: a@b.example\r\nContent-Disposition: attachment; filename="{word}"\r\n\r\nx'
    assert name in scan_or_raise(mail.encode()).parts[0].names


LEAF = st.tuples(
    st.sampled_from(["7bit", "quoted-printable", "base64"]), st.text(st.characters(codec="ascii"), max_size=300)
)
TREE = st.recursive(LEAF, lambda children: st.lists(children, min_size=1, max_size=4), max_leaves=12)


def built(tree, counter) -> Message:
    if isinstance(tree, list):
        message: Message = MIMEMultipart(boundary=f"=_{next(counter)}_=")
        for child in tree:
            message.attach(built(child, counter))
        return message
    encoding, text = tree
    message = EmailMessage()
    message.set_content(text.replace("\r", "").replace("\0", "").replace("begin", ""), cte=encoding, subtype="x")
    return message


@given(TREE)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_leaves_and_sizes_are_those_of_python_s_parser(tree):
    message = built(tree, itertools.count(100))
    message["From"] = "a@b.example"
    data = in_wire_form(message)
    leaves = [
        leaf for leaf in email.message_from_bytes(data.replace(b"\r\n..", b"\r\n.")).walk() if not leaf.is_multipart()
    ]
    manifest = holds(data)
    assert manifest.defects == ()
    assert [part.media_type for part in manifest.parts] == [leaf.get_content_type() for leaf in leaves]
    assert [part.size for part in manifest.parts] == [len(leaf.get_payload(decode=True)) for leaf in leaves]


@given(st.integers(0, 5_000), st.sampled_from([60, 64, 76, 998]), st.sampled_from([b"", b"\r\n", b"\r\n\r\n"]))
@settings(deadline=None)  # the machine may be busy
def test_base64_sizes_are_exact(length, width, end):
    digits = email.base64mime.body_encode(bytes(length), maxlinelen=100_000, eol="").encode()
    lines = b"\r\n".join(digits[at : at + width] for at in range(0, len(digits), width))
    head = b"From: a@b.example\r\nContent-Type: x/y\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    manifest = scan_or_raise(head + lines + end)
    assert manifest.parts[0].size == length
    assert manifest.defects == ()


def seconds(data: bytes) -> float:
    times = []
    for _ in range(3):
        start = time.process_time()
        scan(data)
        times.append(time.process_time() - start)
    return min(times)


HEAD = b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=X\r\n"
SLOW = {
    "delimiters": lambda n: HEAD + b"\r\n" + b"--X\r\n" * (n // 5),
    "unfinished headers": lambda n: HEAD + b"\r\n" + b"--X\r\nX: y\r\n" * (n // 11),
    "lines like delimiters": lambda n: HEAD + b"\r\n" + b"--Xy\r\n" * (n // 6),
    "begins": lambda n: b"From: a@b.example\r\n\r\n" + b"begin 644 a\r\n" * (n // 13),
    "line ends": lambda n: b"From: a@b.example\r\n\r\n" + b"\r\n" * (n // 2),
    "bare line ends": lambda n: b"From: a@b.example\r\n\r\n" + b"\n" * n,
    "quotes in From": lambda n: b'From: "' + b'\\"' * (n // 2) + b"\r\n\r\n",
    "blanks in From": lambda n: b"From:" + b" " * n + b"x\r\n\r\n",
    "brackets in From": lambda n: b"From: " + b'<"' * (n // 2) + b"\r\n\r\n",
    "parentheses in From": lambda n: b"From: " + b"(" * n + b"\r\n\r\n",
    "Bcc": lambda n: b"Bcc: x\r\n" * (n // 8) + b"\r\n",
    "blanks in names": lambda n: b"Content-Type: x/y; name" + b" (" * (n // 2) + b"\r\n\r\n",
    "names": lambda n: b"Content-Type: x/y" + b";name*1=x" * (n // 9) + b"\r\n\r\n",
    "words": lambda n: b"Subject: " + b"=?a?b?" * (n // 6) + b"\r\n\r\n",
    "blanks in boundary": lambda n: b"Content-Type: multipart/x; boundary" + b" " * n + b"\r\n\r\n",
    "folds": lambda n: b"Subject: x" + b"\r\n " * (n // 3) + b"\r\n\r\n",
    "equals signs": lambda n: b"Content-Type: x/y\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n= " + b" " * n,
    "padding": lambda n: b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=A" * (n // 2),
    "blanks before fields": lambda n: HEAD + b"\r\n" + b"\r\n " * (n // 3) + b"Content-Type: x/y\r\n\r\n",
    "fields of contents": lambda n: HEAD + b"\r\n" + b"Content-Type: x/y\r\n\r\n" * (n // 21),
    "encoded messages": lambda n: (
        HEAD + b"\r\n" + b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" * (n // 77)
    ),
    "lines without a colon": lambda n: b"Content-Type: x/y\r\n" + b"hello\r\n" * (n // 7) + b"\r\n",
    "markup": lambda n: b"From: a@b.example\r\n\r\n" + b" " * n + b"<x",
}  # fmt: skip


@pytest.mark.parametrize("shape", SLOW)
def test_time_grows_no_faster_than_the_mail(shape):
    make = SLOW[shape]
    small, large = seconds(make(100_000)), seconds(make(1_600_000))
    assert large < 40 * small + 0.02  # sixteen times the bytes; a square would be 256 times the time


@pytest.mark.parametrize("sign", [b"'", b"%", b"/", b"a/", b"("])
def test_an_unreadable_type_costs_no_time(sign):
    mail = b"From: a@b.example\r\nContent-Type: " + sign * (8_000 // len(sign)) + b"\r\n\r\nx\r\n"
    begun = time.process_time()
    for _ in range(20):
        scan_or_raise(mail)
    assert time.process_time() - begun < 1.0
