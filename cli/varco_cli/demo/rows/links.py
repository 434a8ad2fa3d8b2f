"""A heavy attachment, which leaves as a link."""

from varco_cli.demo.scene import HEAVY, Answer, Row, Scene, letter


def heavy(scene: Scene) -> Answer:
    studio = "studio@studio.example"
    drawings = b"%PDF-1.7\n" + bytes(HEAVY + HEAVY // 2)
    mail = letter("all the drawings", sender=studio, attach=("disegni.pdf", "application/pdf", drawings))
    return scene.submit(mail, login=studio, sender=studio)


ROWS = (Row("a PDF of 1.5 MB, where mails of 1 MB may leave and files over 1 MB become links", "250", heavy),)
