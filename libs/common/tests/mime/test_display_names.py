"""What some clients show as the sender is found, and a person's name is none of it."""

import pytest

from varco_common.mime import MAX_MANIFEST_BYTES, Defect, scan


def displayed(*fields: bytes) -> tuple[str, ...]:
    return scan(b"\r\n".join(fields) + b"\r\n\r\ntext\r\n").displayed


@pytest.mark.parametrize(
    "name",
    [
        b"ceo@beta.test",
        b'"ceo@beta.test"',
        b'"The CEO (ceo@beta.test)"',
        b"\"'ceo@beta.test'\"",
        b'"ceo@beta.test via Desk"',
        b"=?utf-8?q?ceo=40beta=2Etest?=",
        b"=?utf-8?b?Y2VvQGJldGEudGVzdA==?=",
        b"=?utf-8?q?ceo=40be?= =?utf-8?q?ta=2Etest?=",
        "ceo＠beta.test".encode(),  # noqa: RUF001 - a wide @
        "ceo@be\u200bta.test".encode(),
        b'"mailto:ceo@beta.test"',
        b'"ceo@beta.test."',
        b"Boss ceo@beta.test\r\n\t",
    ],
)
def test_an_address_in_a_name_is_found_however_it_is_written(name):
    assert displayed(b"From: " + name + b" <alice@alpha.test>") == ("ceo@beta.test",)
    assert displayed(b"From: x@y.test", b"Sender: " + name + b" <alice@alpha.test>") == ("ceo@beta.test",)


def test_an_address_in_a_comment_is_found():
    assert displayed(b"From: alice@alpha.test (ceo@beta.test)") == ("ceo@beta.test",)


@pytest.mark.parametrize(
    "value",
    [
        b"alice@alpha.test",
        b"Alice <alice@alpha.test>",
        b'"ALICE@alpha.test" <alice@alpha.test>',
        b"alice@alpha.test (alice@alpha.test)",
        b'"Alice @ Alpha" <alice@alpha.test>',
        b'"@alice" <alice@alpha.test>',
        b'"Room 5@7.30" <alice@alpha.test>',
        b'"alice@home" <alice@alpha.test>',
        b"<@relay.test,@other.test:alice@alpha.test>",
        b"a@alpha.test, b@alpha.test",
        '"Città" <alice@alpha.test>'.encode(),
        b'"al ice"@alpha.test',
    ],
)
def test_a_name_without_a_foreign_address_displays_none(value):
    assert displayed(b"From: " + value) == ()


def test_many_displayed_addresses_are_a_defect_and_fit_the_manifest():
    names = b" ".join(b"a%d@%s.test" % (n, b"b" * 60) for n in range(90))
    manifest = scan(b'From: "' + names + b'" <a@alpha.test>\r\n\r\nx\r\n')
    assert Defect.TOO_MANY_AUTHORS.value in manifest.defects
    assert len(manifest.displayed) <= 32
    assert len(str(manifest)) < MAX_MANIFEST_BYTES
