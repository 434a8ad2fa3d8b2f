"""Which link a URL means, however it was pasted."""

import pytest

from varco_cli.commands.links import _key

NAME = "e1eb3665a1a0766ea65616b6210cfd538c4950f8.pdf"
URL = f"https://files.acme.example/files/{NAME}"


@pytest.mark.parametrize("link", [NAME, URL, f"{URL}/", f"{URL}?download", f"{URL}#page=2", f" {URL}?download=1/2"])
def test_a_link_is_meant_by_its_url_with_and_without_a_query(link):
    assert _key(link) == NAME


def test_what_is_no_link_asks_for_no_other_path():
    assert _key("files/50% of it;a b") == "50%25%20of%20it%3Ba%20b"
