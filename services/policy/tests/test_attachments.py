"""Which part of a mail is a forbidden attachment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_common.events import Choice, Rules
from varco_common.mime import Manifest, Part
from varco_policy.attachments import first_forbidden
from varco_policy.extensions import EXECUTABLE
from varco_policy.file_names import extension

RULES = Rules()
OFFICE = Rules(attachments=("pdf", "docx", "xlsx", "zip"))
OPEN = Rules(encrypted=Choice.ACCEPT)


def part(media_type, *names, disposition="", kind="", **more):
    return Part(
        path="1",
        media_type=media_type,
        start=0,
        end=10,
        size=10,
        names=names,
        disposition=disposition,
        kind=kind,
        **more,
    )


def found(*parts, rules=RULES, **more):
    return first_forbidden(Manifest(parts=parts, **more), rules)


TEXT = part("text/plain")
HTML = part("text/html", kind="html")


@pytest.mark.parametrize(
    "parts",
    [
        [TEXT],
        [HTML],
        [TEXT, HTML],
        [part("text/plain", kind="pdf")],  # a text that quotes a PDF's beginning
        [part("text/plain", kind="cpio")],  # a text that starts with a number
        [part("text/html", kind="xml")],
        [TEXT, part("text/x-amp-html"), HTML],
        [TEXT, HTML, part("image/png", "image001.png", disposition="inline", kind="png", content_id="a@b")],
        [TEXT, HTML, part("image/png", kind="png", content_id="a@b")],
        [TEXT, HTML, part("image/jpeg", "logo", kind="jpeg")],
        [TEXT, part("image/jpeg", "photo.png", kind="jpeg")],  # as phones save them
        [TEXT, part("application/pdf", "fattura.pdf", disposition="attachment", kind="pdf")],
        [TEXT, part("application/octet-stream", "Fattura.PDF", disposition="attachment", kind="pdf")],
        [TEXT, part("application/pdf", "info@acme.com.pdf", kind="pdf")],
        [TEXT, part("application/pdf", "v1.2.final.pdf", kind="pdf")],
        [TEXT, part("application/pdf", "Re: 10:30 report.pdf", kind="pdf")],
        [TEXT, part("application/pdf", disposition="attachment", kind="pdf")],
        [TEXT, part("message/delivery-status"), part("message/rfc822-headers")],
        [TEXT, part("text/plain", disposition="attachment")],
        [TEXT, part("text/plain", "notes.txt", disposition="attachment", kind="html")],
        [TEXT, part("application/pkcs7-signature", "smime.p7s", disposition="attachment", kind="pkcs7")],
        [TEXT, part("application/x-pkcs7-signature", "smime.p7s")],
        [TEXT, part("application/pgp-signature", "signature.asc", kind="pgp")],
        [TEXT, part("application/pgp-signature", "OpenPGP_signature", kind="pgp")],
        [TEXT, part("application/pgp-keys", "OpenPGP_0x1234.asc", disposition="attachment", kind="pgp")],
        [TEXT, part("message/disposition-notification")],
        [TEXT, part("message/disposition-notification"), part("text/rfc822-headers")],
        [TEXT, part("message/delivery-status"), part("message/rfc822"), TEXT],
        [TEXT, HTML, part("text/calendar", kind="calendar")],
        [TEXT, HTML, part("text/calendar", "invite.ics", kind="calendar")],
        [
            TEXT,
            HTML,
            part("text/calendar"),
            part("application/ics", "invite.ics", disposition="attachment", kind="calendar"),
        ],
        [TEXT, part("message/rfc822", "Fwd: offer.eml", disposition="attachment"), TEXT],
        [TEXT, part("message/rfc822"), HTML],
        [part("multipart/mixed", "mail")],
    ],
)
def test_ordinary_mail_has_nothing_forbidden(parts):
    assert found(*parts) is None


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (part("application/zip", "esempio.zip", kind="zip"), "esempio.zip"),
        (part("application/pdf", "virus.exe"), "virus.exe"),
        (part("application/pdf", "fattura.pdf", kind="exe"), "fattura.pdf"),
        (part("application/pdf", "fattura.pdf", kind="elf"), "fattura.pdf"),
        (part("application/pdf", "fattura.pdf", kind="zip"), "fattura.pdf"),
        (part("application/pdf", "fattura.pdf", kind="html"), "fattura.pdf"),
        (part("application/pdf", "fattura.pdf", kind="script"), "fattura.pdf"),
        (part("application/pdf", "fattura.pdf", "fattura.exe", kind="pdf"), "fattura.exe"),
        (part("application/pdf", "fattura.pdf.exe"), "fattura.pdf.exe"),
        (part("application/pdf", "fattura.exe        .pdf"), "fattura.exe        .pdf"),
        (part("application/pdf", "fattura.pdf      .exe"), "fattura.pdf      .exe"),
        (part("application/pdf", "virus.exe."), "virus.exe."),
        (part("application/pdf", "virus.exe. . "), "virus.exe. . "),
        (part("application/pdf", "virus.exe\0.pdf"), "virus.exe\0.pdf"),
        (part("application/pdf", "virus.exe:harmless.pdf"), "virus.exe:harmless.pdf"),
        (part("application/pdf", "virus\u202efdp.exe"), "virus\u202efdp.exe"),
        (part("application/pdf", "virus.ex\u200be"), "virus.ex\u200be"),
        (part("application/pdf", "virus\uff0eexe"), "virus\uff0eexe"),
        (part("application/pdf", "C:\\fattura.pdf\\virus.exe"), "C:\\fattura.pdf\\virus.exe"),
        (part("application/octet-stream", "fattura"), "fattura"),
        (part("application/octet-stream"), "application/octet-stream"),
        (part("application/ms-tnef", "winmail.dat", kind="tnef"), "winmail.dat"),
        (part("application/octet-stream", "report.txt", kind="tnef"), "report.txt"),
        (part("text/html", disposition="attachment"), "text/html"),
        (part("text/html", "page.html"), "page.html"),
        (part("text/plain", kind="exe"), "text/plain"),
        (part("text/plain", "setup.exe", encoding="uuencode"), "setup.exe"),
        (part("text/x-python"), "text/x-python"),
        (part("image/svg+xml", kind="svg"), "image/svg+xml"),
        (part("text/calendar", "invite.ics", disposition="attachment", kind="html"), "invite.ics"),
        (part("application/ics", "invite.ics", disposition="attachment"), "invite.ics"),
        (part("text/calendar", "invite.exe"), "invite.exe"),
        (part("application/pkcs7-signature", "smime.p7s", kind="exe"), "smime.p7s"),
        (part("application/pgp-signature", "virus.exe"), "virus.exe"),
        (part("message/delivery-status", "virus.vbs"), "virus.vbs"),
        (part("message/rfc822", "virus.hta"), "virus.hta"),
        (part("multipart/mixed", "virus.exe"), "virus.exe"),
        (part("application/pkcs7-mime", "smime.p7m", kind="pkcs7"), "smime.p7m"),
    ],
)
def test_what_hides_or_is_a_forbidden_file_is_named(bad, name):
    assert found(TEXT, HTML, bad).name == name


@pytest.mark.parametrize(
    "name", ["UNI.EN.ISO.9001.2015.pdf", "Prot.Reg.1234.pdf", "Vue.js.pdf", "Plan.Bat.A.pdf", "fattura.exe.pdf"]
)
def test_the_last_extension_decides(name):
    assert found(part("application/pdf", name, kind="pdf")) is None


@pytest.mark.parametrize("end", ["   ", " ", "\0", ":", "\u202e", "\u200f", "\x01", "/"])
def test_an_extension_that_the_name_hides_decides_too(end):
    assert found(part("application/pdf", f"fattura.exe{end}.pdf", kind="pdf"))


@pytest.mark.parametrize(
    ("media_type", "name", "kind"),
    [
        ("application/pdf", "Rechnung Nr. 4711", "pdf"),
        ("application/pdf", "Contratto Rossi S.p.A.", "pdf"),
        ("image/png", "image001.png@01DA1234.56789ABC", "png"),
        ("text/plain", "Verbale del 4. novembre", ""),
    ],
)
def test_a_name_without_a_known_extension_is_judged_by_type_and_content(media_type, name, kind):
    assert found(part(media_type, name, kind=kind)) is None
    assert found(part("application/octet-stream", name, kind=kind)).name == name
    assert found(part(media_type, name, kind="exe")).name == name


@pytest.mark.parametrize(
    ("media_type", "names", "extension"),
    [
        ("application/octet-stream", (), "bin"),
        ("application/octet-stream", ("attach01",), "bin"),  # Gmail, of a file without an extension
        ("application/postscript", (), "ps"),
        ("application/x-gzip", (), "gz"),
        ("audio/basic", (), "au"),
        ("text/x-diff", (), "txt"),  # RFC 2046 4.1.4: a text of an unknown type is plain
        ("text/x-python", (), "py"),
        ("text/javascript", (), "js"),
        ("text/vbscript", (), "vbs"),
        ("text/x-component", (), "sct"),
    ],
)
def test_a_part_without_a_name_counts_as_the_extension_of_its_type(media_type, names, extension):
    nameless = part(media_type, *names)
    assert found(TEXT, nameless, rules=Rules(attachments=(extension,))) is None
    assert found(TEXT, nameless, rules=Rules(attachments=("csv", "pdf")))
    assert found(TEXT, part(media_type, *names, kind="exe"), rules=Rules(attachments=(extension,)))


def test_a_part_without_a_name_of_an_unknown_type_is_forbidden():
    assert found(TEXT, part("application/x-whatever"), rules=Rules(attachments=("bin", "txt")))


def test_a_name_without_a_known_extension_needs_a_content_that_is_known():
    assert found(part("application/pdf", "Rechnung Nr. 4711", kind="")).name == "Rechnung Nr. 4711"


def test_an_extension_of_a_program_is_never_unknown():
    assert found(part("application/pdf", "acme.com", kind="pdf")).name == "acme.com"
    assert found(part("text/plain", 'virus.exe"'))
    assert found(part("text/plain", "virus.exe (1)"))


@pytest.mark.parametrize("kind", ["webp", "heic", "avif", "tiff", "png", "bmp"])
def test_one_allowed_kind_of_picture_may_stand_for_another(kind):
    assert found(part("image/jpeg", "foto.jpg", kind=kind)) is None
    assert found(part("image/webp", "foto.webp", kind=kind))
    assert found(part("application/pdf", "foto.pdf", kind=kind)) or kind == "png"


def test_binhex_under_an_allowed_name_is_forbidden():
    assert found(part("application/pdf", "fattura.pdf", kind="binhex")).why == "its content is binhex"


def test_what_was_forwarded_is_judged_too():
    assert found(TEXT, part("message/rfc822"), TEXT, part("application/zip", "in.zip")).name == "in.zip"


@pytest.mark.parametrize(
    ("name", "kind"), [("a.docx", "ooxml"), ("a.docx", "zip"), ("a.docx", "ole"), ("a.zip", "ooxml"), ("a.zip", "jar")]
)
def test_office_files_are_zips_and_no_contradiction(name, kind):
    assert found(part("application/octet-stream", name, kind=kind), rules=OFFICE) is None


def test_a_zip_called_pdf_contradicts_where_only_pdf_is_allowed():
    assert found(part("application/pdf", "a.pdf", kind="zip"), rules=Rules(attachments=("pdf", "docx")))


def test_an_unknown_kind_contradicts_nothing():
    assert found(part("application/pdf", "a.pdf", kind="brand-new")) is None


SEALED = [
    part("application/pkcs7-mime", "smime.p7m", kind="pkcs7"),
    part("application/pgp-encrypted", kind=""),
    part("application/octet-stream", "encrypted.asc", kind="pgp"),
]


def test_encrypted_mail_passes_only_where_the_account_says_so():
    assert found(*SEALED, encrypted=True).name == "smime.p7m"
    assert found(*SEALED, encrypted=True, rules=OPEN) is None


def test_a_text_with_pgp_in_it_is_encrypted_mail():
    assert found(part("text/plain", kind="pgp"), encrypted=True)
    assert found(part("text/plain", kind="pgp"), encrypted=True, rules=OPEN) is None


def test_an_executable_is_not_made_safe_by_being_called_encrypted():
    assert found(part("application/pkcs7-mime", "smime.p7m", kind="exe"), rules=OPEN)
    assert found(part("application/octet-stream", "a.exe"), encrypted=True, rules=OPEN)


@pytest.mark.parametrize("name", ["run.js", "setup.exe", "run.js.p7m"])
def test_the_name_of_what_is_called_encrypted_is_judged(name):
    run = part("application/pkcs7-mime", name)
    inner = Part(path="1/1", media_type="application/octet-stream", start=0, end=1, size=1, names=("run.js",))
    assert found(run, inner, encrypted=True, rules=OPEN).name in (name, "run.js")
    assert found(TEXT, run, inner, rules=OPEN).name in (name, "run.js")


def test_a_signed_document_beside_a_text_passes_where_p7m_is_allowed():
    document = part("application/pkcs7-mime", "contratto.pdf.p7m", kind="pkcs7")
    assert found(TEXT, document, rules=Rules(attachments=("p7m", "pdf"))) is None
    assert found(TEXT, document).name == "contratto.pdf.p7m"
    assert found(document, rules=Rules(attachments=("p7m", "pdf"))).why.startswith("is encrypted")


def test_an_enveloped_document_is_encrypted_wherever_it_is():
    document = part("application/octet-stream", "contratto.pdf.p7m", kind="pkcs7-enveloped")
    assert found(TEXT, document, rules=Rules(attachments=("p7m", "pdf"))).why.startswith("is encrypted")
    assert found(TEXT, document, rules=OPEN) is None


def test_any_lets_everything_pass():
    assert found(part("application/x-msdownload", "a.exe", kind="exe"), rules=Rules(attachments=None)) is None


def test_an_empty_list_lets_no_file_pass():
    nothing = Rules(attachments=())
    assert found(part("application/pdf", "a.pdf"), rules=nothing)
    assert found(TEXT, HTML, rules=nothing) is None


@given(
    st.sampled_from(sorted(EXECUTABLE)), st.text(max_size=20), st.sampled_from(["", ".", " ", ". ", "\u200e", "\u202c"])
)
def test_whatever_stands_before_or_after_it_an_executable_is_found(executable, before, after):
    assert found(part("application/pdf", f"{before}.{executable}{after}", kind="pdf"))


@given(st.text(), st.text())
def test_any_name_can_be_judged(name, media_type):
    found(part(media_type, name))
    assert extension(name) == extension(name).lower()


@pytest.mark.parametrize("name", ['virus.exe"', "virus.exe;", "run.js)", "3D.exe'"])
def test_a_known_extension_with_signs_around_it_is_no_unknown_one(name):
    assert found(part("application/pdf", name, kind="pdf"))
