"""Pieces that hostile mails are made of, for property tests and fuzzing."""

PIECES = [
    b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b".", b"..", b":", b";", b'"', b"\\", b"(", b")", b"<", b">", b"=",
    b"*",     b"--X", b"\r\n--X\r\n", b"\r\n--X--\r\n", b"--X--", b"\r\n--XY\r\n", b"\r\n--XY--\r\n", b"--",
    b"From: a@b.example\r\n", b"From: ", b"Sender: ", b"Bcc: x@y.example\r\n", b"\r\nBcc: z", b"Resent-Bcc: q",
    b"Subject: ",
    b"Content-Type: ", b"Content-Disposition: ", b"Content-Transfer-Encoding: ", b"Content-ID: <x>\r\n", b"Message-ID: <y>\r\n",
    b"multipart/mixed; boundary=X\r\n", b'multipart/digest; boundary="XY"\r\n', b"boundary=X", b"message/rfc822\r\n",
    b"message/partial\r\n", b"text/plain; charset=utf-8\r\n", b"application/pkcs7-mime; smime-type=signed-data\r\n",
    b"base64\r\n", b"quoted-printable\r\n", b"8bit\r\n", b"attachment; ", b"filename=", b"name=", b"filename*=", b"filename*0*=",
    b"filename*1=", b"filename*9999999999999999999999=", b"utf-8''", b"utf-16''", b"utf-7''", b"%00", b"%2E", b"a.exe",
    b'"a.pdf"',
    b"=?utf-8?Q?a=2Eb?=", b"=?utf-16?B?2D0=?=", b"=?utf-7?Q?+2D0-?=", b"=?x?", b"begin 644 a.exe\r\n", b"\r\nend\r\n",
    b"=ybegin name=",
    b"-----BEGIN PGP MESSAGE-----\r\n", b"QUJD", b"=41", b"=\r\n", b"%PDF-1.7", b"MZ\0", b"PK\x03\x04",
    b"\xc3\xa8", b"\xff", b"\xed\xa0\x80",
    b"<html", b"<?xml ", b"begin", b",", b"@", b"<a@b>", b"x" * 300, b"\r\n " * 30,
]  # fmt: skip
