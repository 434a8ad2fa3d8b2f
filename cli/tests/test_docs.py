"""The generated documents: complete, and the checks that keep them so can fail."""

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import Field

from varco_cli.docs import answers, configuration, events
from varco_cli.docs.__main__ import PAGES, main
from varco_common.base.settings import Settings, is_internal, variables
from varco_common.events import AnyEvent, wire_name
from varco_common.mail.replies import Reply
from varco_common.runtime import service

ROOT = Path(__file__).parents[2]


def test_every_event_and_every_field_is_in_its_page():
    page = events.page()
    for kind in get_args(AnyEvent):
        section = page.partition(f"\n## {wire_name(kind)}\n")[2].partition("\n## ")[0]
        assert all(f"| `{name}` |" in section for name in kind.__struct_encode_fields__)


def test_every_link_between_shapes_leads_somewhere():
    page = events.page()
    targets = {word.partition(")")[0] for word in page.split("](#")[1:]}
    heads = {line.lstrip("# ").replace(".", "").lower() for line in page.splitlines() if line.startswith("##")}
    assert targets
    assert targets <= heads


def test_every_setting_of_every_service_is_explained_unless_it_is_internal():
    page = configuration.page()
    for installed in service.installed():
        for name, variable in variables(installed.settings).items():
            field = installed.settings.model_fields[name]
            assert (f"| `{variable}` |" in page) is not is_internal(field), variable
            assert field.description, variable


def test_every_answer_is_in_its_page():
    assert all(f"`{reply}`" in answers.page() for reply in Reply)


def test_a_stale_or_missing_page_fails_the_check(tmp_path, capsys):
    assert main(["--check", str(tmp_path)]) == 1
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
    (tmp_path / "answers.md").write_text("edited by hand")
    capsys.readouterr()
    assert main(["--check", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"{tmp_path}/answers.md is stale: run `make docs`\n"
    assert {path.name for path in tmp_path.iterdir()} == set(PAGES)


def test_a_wrong_usage_is_told(capsys):
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_a_variable_with_two_declarations_fails_and_is_named(tmp_path, capsys, monkeypatch):
    class One(Settings):
        port: int = Field(default=1, validation_alias="VARCO_PORT", description="Port of the one.")

    class Other(Settings):
        port: int = Field(default=1, validation_alias="VARCO_PORT", description="As well.")

    monkeypatch.setattr(configuration, "_parts", lambda: [("one", One), ("other", Other)])
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().err == "VARCO_PORT is declared differently by one and other: declare it once\n"


@pytest.mark.parametrize("page", ["docs/flow.md", "docs/architecture.md", "CONTRIBUTING.md"])
def test_every_path_that_a_page_names_exists(page):
    text = (ROOT / page).read_text()
    paths = {
        *re.findall(r"`([\w.-]+/[\w./-]+\.py)`", text),
        *re.findall(r"\b((?:docs|libs|services|tests)/\w[\w./-]*\w)", text),
    }
    assert paths
    assert {path for path in paths if not exists(path)} == set()


def exists(path):
    """Whether a path exists; `relay/model.py` is a file of the package of relay, and so on."""
    part, _, rest = path.partition("/")
    packages = [
        *ROOT.glob(f"services/{part}/varco_*"),
        *ROOT.glob(f"libs/{part}/varco_*"),
        *ROOT.glob(f"{part}/varco_*"),
    ]
    return (ROOT / path).exists() or any((package / rest).is_file() for package in packages)


def test_the_flow_of_a_mail_fits_on_one_screen():
    lines = (ROOT / "docs" / "flow.md").read_text().splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 100
