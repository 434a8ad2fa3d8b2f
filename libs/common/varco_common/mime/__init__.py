r"""Describes a mail: bytes in wire form -> Manifest, in one pass, without a MIME parser.

Usable on its own: it imports the standard library and msgspec only.

    from varco_common.mime import scan
    manifest = scan(b"From: a@example.org\r\nSubject: Hi\r\n\r\nText\r\n")
    print(manifest.authors, [part.media_type for part in manifest.parts], manifest.defects)

`scan` never raises. A Manifest has the authors, every part of the MIME tree with its offsets and
every file name that a client could show, and the defects: ambiguities that two clients could read
in two ways. Read scanner.py first (it calls the rest), then tree.py (from part to part), then
readings.py (the parts that a mail with defects shows in other readings).

model.py     Manifest and Part                  defects.py      the closed list of defects
tree.py      the walk over the parts            delimiters.py   which line ends a part
leaf.py      one part without children          header_block.py where a header ends
headers.py   the fields of a header             content.py      what they tell of the content
names.py     file names, with name_parameters.py, continuations.py (RFC 2231), text_readings.py
addresses.py authors                            encoded_words.py RFC 2047, charsets
encodings.py decoded size and first bytes       file_kinds.py   what these bytes look like
embedded.py  files inside a text                binhex.py       names of BinHex files
readings.py  parts of other readings            pkcs7.py        documents inside p7m
line_ends.py CRLF, and no other line end        buffer.py       the body, in memory or mapped
manifest_size.py keeps a manifest below MAX_MANIFEST_BYTES
"""

from varco_common.mime.defects import Defect
from varco_common.mime.model import MAX_MANIFEST_BYTES, Manifest, Part
from varco_common.mime.scanner import scan

__all__ = ["MAX_MANIFEST_BYTES", "Defect", "Manifest", "Part", "scan"]
