"""Attachments: one that is allowed, one that is not, and one in disguise."""

from varco_cli.demo.demo_gate import DemoGate, DemoRow, SmtpAnswer, message

PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
PROGRAM = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00" + bytes(112)
ARCHIVE = b"PK\x05\x06" + bytes(18)


def pdf(gate: DemoGate) -> SmtpAnswer:
    return gate.submit(message("the offer", attach=("offer.pdf", "application/pdf", PDF)))


def archive(gate: DemoGate) -> SmtpAnswer:
    return gate.submit(message("the files", attach=("esempio.zip", "application/zip", ARCHIVE)))


def disguised(gate: DemoGate) -> SmtpAnswer:
    return gate.submit(message("the invoice", attach=("invoice.pdf", "application/pdf", PROGRAM)))


ROWS = (
    DemoRow("a PDF attached", "250", pdf),
    DemoRow("a zip archive attached", "554 5.7.1", archive),
    DemoRow("a program that calls itself invoice.pdf", "554 5.7.1", disguised),
)
