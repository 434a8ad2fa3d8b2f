"""Who sends, to how many, and how much."""

from varco_cli.demo.scene import LIMIT, TRUSTED, Answer, Row, Scene, letter

MANY = 300  # the provider's test addresses, delivered to a black hole


def plain(scene: Scene) -> Answer:
    return scene.submit(letter("hello"))


def trusted(scene: Scene) -> Answer:
    return scene.submit(letter("from the office's printer"), login="", source=TRUSTED)


def unauthorised(scene: Scene) -> Answer:
    return scene.submit(letter("hello"), sender="alice@elsewhere.example")


def forged(scene: Scene) -> Answer:
    return scene.submit(letter("your bank account", sender="The Bank <security@bank.example>"))


def too_big(scene: Scene) -> Answer:
    return scene.submit(letter("all the photos"), declared=25_000_000)


def too_many(scene: Scene) -> Answer:
    return scene.submit(letter("to all"), recipients=[f"friend{n}@elsewhere.example" for n in range(LIMIT + 2)])


def to_the_black_hole(scene: Scene) -> Answer:
    recipients = [f"test{number:03}@blackhole.example" for number in range(1, MANY + 1)]
    return scene.submit(
        letter("a test", sender="list@list.example"),
        login="list@list.example",
        sender="list@list.example",
        recipients=recipients,
    )


ROWS = (
    Row("an ordinary mail", "250", plain),
    Row(f"the same from a trusted network ({TRUSTED}), without a login", "250", trusted),
    Row("a sender that isn't authorised", "550 5.7.1", unauthorised),
    Row("an authorised sender, but a forged From", "550 5.7.1", forged),
    Row("25 MB declared, where 1 MB is the limit", "552 5.3.4", too_big),
    Row(f"{LIMIT + 2} recipients, where {LIMIT} is the limit", "452 4.5.3", too_many),
    Row(f"{MANY} recipients, on an account whose route is a black hole", "250", to_the_black_hole),
)
