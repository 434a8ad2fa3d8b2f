"""Quotas: a sender that sends too much, and one that may."""

from varco_cli.demo.scene import QUOTA, Answer, Row, Scene, letter

EAGER, EXCEPTED = "eager@acme.example", "news@acme.example"


def eager(scene: Scene) -> Answer:
    for _ in range(QUOTA):
        scene.submit(letter("hello", sender=EAGER), sender=EAGER)
    return scene.submit(letter("hello again", sender=EAGER), sender=EAGER)


def excepted(scene: Scene) -> Answer:
    for _ in range(QUOTA):
        scene.submit(letter("the news", sender=EXCEPTED), sender=EXCEPTED)
    return scene.submit(letter("more news", sender=EXCEPTED), sender=EXCEPTED)


ROWS = (
    Row(
        f"one mail more than the {QUOTA} a day that a sender may send",
        f"450 4.7.1 <bob@elsewhere.example>... {EAGER} has exceeded {QUOTA} messages per 1 day",
        eager,
    ),
    Row("the same for a sender with good reason", "250", excepted),
)
