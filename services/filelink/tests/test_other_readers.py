"""What another MIME parser makes of the converted mail."""

import asyncio
import email
import hashlib
import shutil
import subprocess
from email.policy import default

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
    left = (await gate.converted_body(await gate.accept(wire))).replace(b"\r\n..", b"\r\n.")
    parsed_by_perl = await asyncio.to_thread(
        subprocess.run, ["perl", "-e", PARSER], input=left, capture_output=True, check=True
    )
    ours = [
        f"{part.get_content_type()} {hashlib.sha256(payload(part)).hexdigest()}"
        for part in email.message_from_bytes(left, policy=default).walk()
        if not part.is_multipart()
    ]
    assert parsed_by_perl.stdout.decode().splitlines() == ours


def payload(part) -> bytes:
    """Line ends of texts are each parser's own choice."""
    content = part.get_payload(decode=True)
    text = part.get_content_maintype() == "text"
    return content.replace(b"\r\n", b"\n").rstrip(b"\n") if text else content
