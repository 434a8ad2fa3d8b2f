"""What others make of it: another MIME parser of the converted mail, a real browser of the download page."""

import asyncio
import email
import hashlib
import shutil
import subprocess
from email.policy import default
from pathlib import Path

import pytest

from . import layouts

PARSER = """
use MIME::Parser; use Digest::SHA qw(sha256_hex);
my $parser = MIME::Parser->new; $parser->output_to_core(1); $parser->decode_headers(0);
sub leaves { my $e = shift; my @p = $e->parts; return map { leaves($_) } @p if @p;
  my $s = $e->bodyhandle ? $e->bodyhandle->as_string : ""; if ($e->effective_type =~ /^text/) { $s =~ s/\\r\\n/\\n/g;
    $s =~ s/\\n+\\z//; }
  return join(" ", $e->effective_type, sha256_hex($s)); }
print join("\\n", leaves($parser->parse(\\*STDIN))), "\\n";
"""
CHROME = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def has_mime_parser() -> bool:
    perl = shutil.which("perl")
    return (
        perl is not None
        and subprocess.run([perl, "-MMIME::Parser", "-e1"], check=False, capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not has_mime_parser(), reason="Perl's MIME::Parser (MIMEDefang's own) isn't installed")
@pytest.mark.parametrize("client", layouts.LAYOUTS)
async def test_another_parser_reads_the_same_parts(gate, filelink, client):
    wire = layouts.LAYOUTS[client]
    left = (await gate.left(await gate.accept(wire))).replace(b"\r\n..", b"\r\n.")
    told = await asyncio.to_thread(subprocess.run, ["perl", "-e", PARSER], input=left, capture_output=True, check=True)
    ours = [
        f"{part.get_content_type()} {hashlib.sha256(payload(part)).hexdigest()}"
        for part in email.message_from_bytes(left, policy=default).walk()
        if not part.is_multipart()
    ]
    assert told.stdout.decode().splitlines() == ours


def payload(part) -> bytes:
    """Line ends of texts are each parser's own choice."""
    content = part.get_payload(decode=True)
    text = part.get_content_maintype() == "text"
    return content.replace(b"\r\n", b"\n").rstrip(b"\n") if text else content


@pytest.mark.skipif(CHROME is None, reason="no Chromium is installed")
@pytest.mark.parametrize(("accepts", "words"), [("it-IT", "Disponibile fino al"), ("en-US", "Available until")])
async def test_a_real_browser_shows_the_page_in_its_language(gate, filelink, tmp_path, accepts, words):
    await gate.left(await gate.accept(layouts.GMAIL))
    [link] = (await filelink.get("/links")).json()["links"]
    shown = await asyncio.to_thread(dumped, link["url"], tmp_path, accepts)
    assert "offerta.pdf" in shown
    assert words in shown


def dumped(url: str, home: Path, accepts: str) -> str:
    """The page's tree, as the browser has it after reading it."""
    command = [
        CHROME, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={home}/chrome",
        f"--accept-lang={accepts}", "--dump-dom", url,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode()
