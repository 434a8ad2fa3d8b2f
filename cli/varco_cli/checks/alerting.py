"""Whether alerts would reach somebody, where the profile `metrics` runs."""

from collections.abc import Callable, Iterator, Mapping

from varco_cli.checks.finding import CheckFinding

_URLS = ("http://", "https://", "slack+http://", "slack+https://")
_TO, _SMARTHOST = "VARCO_ALERT_TO", "VARCO_ALERT_SMARTHOST"


def check_alerting(
    environ: Mapping[str, str], has_own_file: bool, where: Callable[[str], str]
) -> Iterator[CheckFinding]:
    """Yields what would end Alertmanager's start, or a warning where it knows nobody.

    `environ` is that of its container; monitoring/alertmanager/start.sh reads it.
    """
    to, place = environ.get(_TO, ""), where(_TO) or ".env"
    if has_own_file or to.startswith(_URLS):
        return
    if not to:
        yield CheckFinding(
            where=place,
            what="alerts reach nobody",
            write=f"set {_TO} to the URL of a webhook or a mail address",
            warning=True,
        )
    elif "@" not in to:
        yield CheckFinding(where=place, what=f"{_TO}={to}", write="expected the URL of a webhook, or a mail address")
    elif not environ.get(_SMARTHOST):
        what = f"{_TO}={to} needs a mail server that is not this gate"
        yield CheckFinding(where=place, what=what, write=f"set {_SMARTHOST}, such as smtp.provider.example:587")
