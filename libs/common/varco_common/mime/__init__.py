"""What a mail's body holds, found in one pass over its bytes and without a MIME parser.

scanner.py   scan(): the way in
tree.py      walks from part to part           delimiters.py  which line ends a part
headers.py   the fields of a header            content.py     what they say of the content
names.py     file names                        addresses.py   authors
encodings.py size and first bytes of a content kinds.py       what those look like
embedded.py  files inside text                 words.py       bytes to text
line_ends.py CRLF and nothing else
wire.py      the body, in memory or mapped     fit.py         keeps a manifest small
defects.py   all that can be wrong             model.py       the manifest itself
"""

from varco_common.mime.defects import Defect
from varco_common.mime.model import MAX_MANIFEST_BYTES, Manifest, Part
from varco_common.mime.scanner import scan

__all__ = ["MAX_MANIFEST_BYTES", "Defect", "Manifest", "Part", "scan"]
