"""Each text is in both languages, and is used; each template uses texts that there are."""

import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import varco_console
from varco_common.mail.replies import Reply
from varco_console.web.texts import LANGUAGES, SHARED, catalogue, negotiate

PAGES = Path(varco_console.__file__).parent / "html_pages"
FOLDERS = sorted(file.parent.name for file in PAGES.glob("*/texts.toml"))


@pytest.mark.parametrize("page", FOLDERS)
def test_each_text_is_in_both_languages_with_the_same_facts(page):
    for key, texts in catalogue(page).items():
        assert [*texts] == [*LANGUAGES], key
        facts = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in texts.values()]
        assert facts[0] == facts[1], key


@pytest.mark.parametrize("page", FOLDERS)
def test_templates_use_texts_that_there_are(page):
    known = catalogue(page).keys() | catalogue(SHARED).keys()
    for template in (PAGES / page).glob("*.html"):
        used = set(re.findall(r'\bt\("(\w+)"[,)]', template.read_text()))
        used |= set(re.findall(r"\bt\('(\w+)'[,)]", template.read_text()))
        used |= {*_keys_of_macros(template.read_text())}
        assert used <= known, template


def _keys_of_macros(template: str) -> Iterator[str]:
    """Columns, fields of filters, and what pagers and folded changes say."""
    for columns in re.findall(r"call table\([^\[]*\[(.*?)\]\)", template):
        yield from re.findall(r'(?<!== )"#?(\w+)"', columns)
    for name, label in re.findall(r'\{\{ field\("(\w+)"(?:.*?label="(\w+)")?', template):
        yield label or name
    yield from re.findall(r'\{\{ pager\(.*?, "(\w+)"', template)
    yield from re.findall(r'\bchange\("(?:[^",]|"[^,]*")*, "(\w+)"', template)


def test_columns_and_fields_are_keys_of_texts_as_well():
    template = """{% call table(t("title"), ["name", "#size", "change" if role == "operator" else ""]) %}
    {{ field("mail", x, label="mail_id") }} {{ field("host", y) }} {{ pager(z, "older") }}
    {{ change("/tokens/" ~ id ~ "/revoke", "revoke", id, 1) }}"""
    expected = ["name", "size", "change", "mail_id", "host", "older", "revoke"]
    assert [*_keys_of_macros(template)] == expected


def test_a_page_has_no_text_of_its_own_that_is_shared():
    for page in FOLDERS:
        assert page == SHARED or not catalogue(page).keys() & catalogue(SHARED).keys(), page


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("it", "it"), ("de, it;q=0.8, en;q=0.9", "en"), ("fr", "en"), ("", "en"), ("it;q=nonsense", "it")],
)
def test_the_language_of_the_browser_is_used(accepted, language):
    assert negotiate(accepted) == language


def test_each_reply_of_a_verdict_has_a_text():
    assert {f"reply_{reply.value}" for reply in Reply} <= catalogue(SHARED).keys()
