"""Pages from templates (Jinja2): everything from outside is escaped."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import Request
from fastapi.responses import HTMLResponse

from varco_common.events import PersonRole
from varco_console.web.cookies import LANGUAGE, read_cookie
from varco_console.web.form_tokens import FIELD, form_token, keep_form_secret
from varco_console.web.notices import notice_of
from varco_console.web.texts import LANGUAGES, Texts, negotiate

if TYPE_CHECKING:
    import jinja2


class NavigationEntry(NamedTuple):
    """A page in the menu: where it is, the shared text that names it, and who sees it."""

    path: str
    text: str
    roles: frozenset[PersonRole]


class Renderer:
    """Templates are named `<page>/page.html`, below html_pages/."""

    def __init__(self, navigation: Sequence[NavigationEntry]) -> None:
        import jinja2  # noqa: PLC0415 - other services that are forked from the same process do without

        self._navigation = navigation
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("varco_console", "html_pages"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["iso"] = _iso
        self._templates.globals["asset"] = _asset_url

    def page(
        self, request: Request, template: str, view: Any = None, *, status: int = 200, **more: Any
    ) -> HTMLResponse:
        """The page `<folder>/<file>`, with `view` and what all pages share."""
        language = language_of(request)
        texts = Texts(template.partition("/")[0], language)
        context = {"view": view, "t": texts, "notice": notice_of(request, texts)}
        context |= {**self._shared(request, language), **more}
        response = HTMLResponse(self._template(template).render(context), status)
        keep_form_secret(request, response)
        return response

    def _template(self, name: str) -> "jinja2.Template":
        return self._templates.get_template(name)

    def _shared(self, request: Request, language: str) -> Mapping[str, Any]:
        opened = getattr(request.state, "session", None)
        person = opened.person if opened else None
        return {
            "language": language,
            "languages": LANGUAGES,
            "person": person,
            "path": request.url.path,
            "query": request.url.query,
            "form_field": FIELD,
            "form_token": form_token(request),
            "navigation": [entry for entry in self._navigation if person and person.role in entry.roles],
            "provider": request.app.state.console.provider,
        }


def language_of(request: Request) -> str:
    """The one that was chosen, or the browser's."""
    chosen = read_cookie(request, LANGUAGE)
    return chosen if chosen in LANGUAGES else negotiate(request.headers.get("accept-language", ""))


def _iso(at: datetime | str) -> str:
    """A time for the `datetime` attribute, from a datetime or as an API has it."""
    return at if isinstance(at, str) else at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _asset_url(name: str) -> str:
    """The URL of a static file. It changes with its content, so browsers keep it for ever."""
    if name not in _asset_digests:
        content = (files("varco_console") / "static" / name).read_bytes()
        _asset_digests[name] = sha256(content).hexdigest()[:12]
    return f"/static/{name}?{_asset_digests[name]}"


_asset_digests: dict[str, str] = {}
