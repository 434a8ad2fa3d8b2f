"""Attachments: what may pass, what is stopped, and what is found out."""

from varco_cli.demo.scene import Answer, Row, Scene, letter

PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
PROGRAM = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00" + bytes(112)
ARCHIVE = b"PK\x05\x06" + bytes(18)


def pdf(scene: Scene) -> Answer:
    return scene.submit(letter("the offer", attach=("offer.pdf", "application/pdf", PDF)))


def archive(scene: Scene) -> Answer:
    return scene.submit(letter("the files", attach=("esempio.zip", "application/zip", ARCHIVE)))


def disguised(scene: Scene) -> Answer:
    return scene.submit(letter("the invoice", attach=("invoice.pdf", "application/pdf", PROGRAM)))


ROWS = (
    Row("a PDF attached", "250", pdf),
    Row("a zip archive attached", "554 5.7.1", archive),
    Row("a program that calls itself invoice.pdf", "554 5.7.1", disguised),
)
