"""A heavy attachment, which the gate replaces with a link."""

from varco_cli.demo.demo_gate import HEAVY, DemoGate, DemoRow, SmtpAnswer, message


def heavy(gate: DemoGate) -> SmtpAnswer:
    studio = "studio@studio.example"
    drawings = b"%PDF-1.7\n" + bytes(HEAVY + HEAVY // 2)
    mail = message("all the drawings", sender=studio, attach=("disegni.pdf", "application/pdf", drawings))
    return gate.submit(mail, login=studio, sender=studio)


ROWS = (DemoRow("a PDF of 1.5 MB, where mails of 1 MB may leave and files over 1 MB become links", "250", heavy),)
