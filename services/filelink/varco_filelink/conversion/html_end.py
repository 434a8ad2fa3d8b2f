"""Finds where the text of an HTML document ends: a mark in a script or a comment does not count.

Pure. Every step goes forward, so the time is linear in the size.
"""

import re

_RAW_TEXT = rb"script|style|textarea|title|xmp|iframe|noembed|noframes"
_TOKEN = re.compile(
    rb"(?P<comment><!--)|<(?P<raw>" + _RAW_TEXT + rb")(?=[\s/>])|(?P<end></(?:body|html)(?![a-z0-9]))|<[a-z/!?]",
    re.IGNORECASE,
)
_TAG = re.compile(rb"(?:[^>=]++|=\s*+\"[^\"]*+\"|=\s*+'[^']*+'|=)*+>")  # a value in quotes may hold `>`
_CLOSING = {name: re.compile(rb"</" + name + rb"(?![a-z0-9])", re.IGNORECASE) for name in _RAW_TEXT.split(b"|")}


def end_of_html(content: bytes) -> int | None:
    """The offset of the last `</body>`, else of the last `</html>`, else the end.

    None: the document ends inside a comment, a script or a tag, where no text is shown.
    """
    marks: dict[bytes, int] = {}
    at = 0
    while token := _TOKEN.search(content, at):
        if token["end"]:
            marks[token["end"].lower()] = token.start()
        following = _behind(content, token)
        if following is None:
            return marks.get(b"</body", marks.get(b"</html"))
        at = following
    return marks.get(b"</body", marks.get(b"</html", len(content)))


def _behind(content: bytes, token: re.Match[bytes]) -> int | None:
    """The offset behind the comment, the tag or the whole element; None if it does not end."""
    if token["comment"]:
        end = content.find(b"-->", token.end() - 2)  # `<!-->` is a comment, too
        return end + 3 if end >= 0 else None
    tag = _TAG.match(content, token.end())
    if not tag or not token["raw"]:
        return tag.end() if tag else None
    closing = _CLOSING[token["raw"].lower()].search(content, tag.end())
    return closing.end() if closing else None
