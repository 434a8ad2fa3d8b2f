"""The gate's name, which stands in each mail: other servers must be able to know it."""

from collections.abc import Callable, Iterator, Mapping

from varco_cli.checks.finding import CheckFinding
from varco_common.base.settings import BrokenSetting
from varco_common.runtime.settings import WithHostname

_NAME = "VARCO_HOSTNAME"


def check_host_name(environ: Mapping[str, str], origin: Callable[[str], str]) -> Iterator[CheckFinding]:
    """Yields a warning where the name is one that no other server can know."""
    name = environ.get(_NAME)
    try:
        settings = WithHostname(hostname=name) if name else WithHostname()
    except (BrokenSetting, ValueError):
        return  # the check of values names it
    if not settings.has_public_name:
        yield CheckFinding(
            where=origin(_NAME) or "environment",
            what=f"{_NAME}={settings.hostname} is no name that other servers can know",
            write="set one with a dot, such as smtp.acme.example, before real mail leaves",
            warning=True,
        )
