"""What the routes of a running console share."""

from dataclasses import dataclass, field

from fastapi import Request

from varco_console.oidc import OidcProvider
from varco_console.people import People
from varco_console.second_factor import FactorSeal
from varco_console.service_apis import PersonApi, ServiceApis
from varco_console.sign_in import SignIn
from varco_console.web.access import opened_session
from varco_console.web.background_jobs import BackgroundJobs
from varco_console.web.downloads import DownloadTurns
from varco_console.web.rendering import Renderer


@dataclass(frozen=True, kw_only=True)
class Console:
    """`url` is what browsers call the console, without a path.

    `provider` is the OpenID provider that people may sign in with, if there is one.
    """

    people: People
    sign_in: SignIn
    seal: FactorSeal
    apis: ServiceApis
    renderer: Renderer
    jobs: BackgroundJobs
    url: str
    provider: OidcProvider | None = None
    downloads: DownloadTurns = field(default_factory=DownloadTurns)

    @property
    def has_tls(self) -> bool:
        return self.url.startswith("https:")


def console_of(request: Request) -> Console:
    console: Console = request.app.state.console
    return console


def person_api(request: Request) -> PersonApi:
    """The services' APIs with the rights of the person who is signed in."""
    return console_of(request).apis.of(opened_session(request).person)
