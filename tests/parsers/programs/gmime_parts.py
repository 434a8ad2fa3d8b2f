"""GMime (Debian: gir1.2-gmime-3.0, python3-gi): the parts of each mail.

Run by the system's python3. Reads one mail a line, in base64. Writes one line of JSON for each:
[[name, media type, first bytes of the content in base64], ...].
"""

import base64
import json
import sys

import gi

gi.require_version("GMime", "3.0")
from gi.repository import GMime  # noqa: E402  after the version

GMime.init()


def content(part) -> bytes:
    data = part.get_content()
    if data is None:
        return b""
    stream = GMime.StreamMem.new()
    data.write_to_stream(stream)
    return bytes(stream.get_byte_array())


def shown(entity) -> list:
    if isinstance(entity, GMime.Multipart):
        return [row for at in range(entity.get_count()) for row in shown(entity.get_part(at))]
    if isinstance(entity, GMime.MessagePart):
        name = entity.get_content_disposition_parameter("filename") or entity.get_content_type_parameter("name")
        message = entity.get_message()
        inner = message.get_mime_part() if message else None
        return [[name or "", "message/rfc822", ""], *(shown(inner) if inner else [])]
    media_type = entity.get_content_type()
    return [
        [
            entity.get_filename() or "",
            media_type.get_mime_type() if media_type else "",
            base64.b64encode(content(entity)[:64]).decode(),
        ]
    ]


for line in sys.stdin:
    parser = GMime.Parser.new_with_stream(GMime.StreamMem.new_with_buffer(base64.b64decode(line)))
    message = parser.construct_message(None)
    root = message.get_mime_part() if message else None
    print(json.dumps(shown(root) if root else []), flush=True)
