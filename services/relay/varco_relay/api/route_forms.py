"""Routes as account files and the API have them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr

from varco_common.base.errors import RefusedCommand
from varco_common.events import AddressFamilies, TlsUse
from varco_common.runtime.request_model import StrictModel
from varco_relay.api.oauth_form import OAuthIn
from varco_relay.route_requests import DirectRequest, HopListRequest, HopRequest, RouteRequest, RuleRequest

MAX_HOPS = 10
MAX_RULES = 200
Patterns = Annotated[list[Annotated[str, Field(max_length=320)]], Field(max_length=1_000)]


def _beside(key: str) -> dict[str, JsonValue]:
    """For the schema: the key means something only in a mapping that has this one, too."""
    return {"beside": key}


class SessionForm(StrictModel):
    """A next hop and how a session with it begins."""

    smarthost: str = Field(
        default="",
        max_length=300,
        description="The next hop: its name or address, and the port. `mx:` before a name means the hosts that its MX"
        " records list.",
        examples=["mx.provider.example:587", "mx:provider.example"],
        json_schema_extra=_beside("smarthost"),
    )
    tls: TlsUse = Field(
        default=TlsUse.OPPORTUNISTIC,
        description="`required` verifies the certificate, `opportunistic` encrypts where it can, `none` never does.",
        examples=["required"],
    )
    login: str = Field(
        default="", max_length=320, description="The login at the next hop.", examples=["acme@provider.example"]
    )
    password: SecretStr | None = Field(
        default=None,
        description="Its password. Left out, the one that is there is kept while host and login stay.",
        examples=["a-long-secret"],
        json_schema_extra={"writeOnly": True},
    )

    oauth: OAuthIn | None = Field(
        default=None,
        description="Log in with a token instead of a password.",
        examples=[{"provider": "microsoft"}],
    )

    def hop(self, smarthost: str) -> HopRequest:
        """This session with that next hop."""
        password = self.password.get_secret_value() if self.password else None
        return HopRequest(smarthost, self.tls, self.login, password, self.oauth.request() if self.oauth else None)


class HopIn(SessionForm):
    """A next hop of a list, with a session of its own."""

    model_config = ConfigDict(
        json_schema_extra={"examples": ["mx2.provider.example:25", {"smarthost": "mx2.provider.example:587"}]}
    )

    smarthost: str = Field(
        max_length=300,
        description="The next hop. Its session takes nothing from the route: `tls` and `login` stand here.",
        examples=["mx2.provider.example:587"],
    )


class RouteIn(SessionForm):
    """Where mail goes: `smarthost`, `smarthosts` or `to`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"smarthost": "mx.provider.example:587", "tls": "required"}, "mx", "blackhole"]}
    )

    smarthosts: Annotated[list[str | HopIn], Field(max_length=MAX_HOPS)] = Field(
        default=[],
        description="Several next hops instead of one, in order of preference: mail goes to the first that is up."
        " `tls`, `login` and `password` hold for those that are only named.",
        examples=[["mx1.provider.example:25", "mx2.provider.example:25"]],
        json_schema_extra=_beside("smarthosts"),
    )
    balance: bool = Field(
        default=False,
        description="Spread mail over the `smarthosts` that are up.",
        examples=[True],
        json_schema_extra=_beside("smarthosts"),
    )
    to: Literal["mx", "blackhole"] | None = Field(
        default=None,
        description="`mx` delivers to the mail servers of each recipient's domain, `blackhole` accepts all and sends"
        " nothing. `route: mx` is short for `route: {to: mx}`.",
        examples=["mx"],
        json_schema_extra=_beside("to"),
    )
    families: AddressFamilies = Field(
        default=AddressFamilies.BOTH,
        description="With `to: mx`: whether servers are reached over `ipv4`, `ipv6` or `both`.",
        examples=["ipv4"],
        json_schema_extra=_beside("to"),
    )
    source: Annotated[list[Annotated[str, Field(max_length=45)]], Field(max_length=2)] = Field(
        default=[],
        description="With `to: mx`: the addresses of this gate that the mail leaves from, one of each family at most."
        " Operators set it.",
        examples=[["192.0.2.10"]],
        json_schema_extra=_beside("to"),
    )

    def request(self) -> RouteRequest:
        """Raises RefusedCommand where keys do not go together."""
        given = [name for name in ("smarthost", "smarthosts", "to") if getattr(self, name)]
        if not given:
            raise RefusedCommand("smarthost is missing: write smarthost: mx.provider.example:587")
        if len(given) > 1:
            raise RefusedCommand("a route needs one of smarthost, smarthosts and to")
        self._refuse_strangers(given[0])
        if self.to == "blackhole":
            return "blackhole"
        if self.to == "mx":
            return DirectRequest(self.tls, self.families, tuple(self.source))
        if self.smarthost:
            return self.hop(self.smarthost)
        hops = (
            entry.hop(entry.smarthost) if isinstance(entry, HopIn) else self.hop(entry) for entry in self.smarthosts
        )
        return HopListRequest(tuple(hops), self.balance)

    def _refuse_strangers(self, kind: str) -> None:
        """A key that has no effect beside this one is a mistake."""
        others = {"balance": "smarthosts", "families": "to", "source": "to"}
        strange = [
            name for name, its in others.items() if its != kind and getattr(self, name) not in (False, [], "both")
        ]
        if self.to:
            strange += [name for name in ("login", "password", "oauth") if getattr(self, name)]
        if strange:
            raise RefusedCommand(f"{strange[0]} has no meaning beside {kind}")


class MailForm(BaseModel):
    """Which mail a rule is about."""

    senders: Patterns = Field(
        default=[],
        description="Mail from these senders: `a@acme.example`, `@acme.example`, `@.acme.example` (its subdomains)."
        " Left out: from all.",
        examples=[["@news.acme.example"]],
    )
    recipients: Patterns = Field(
        default=[], description="Mail to these recipients. Left out: to all.", examples=[["@partner.example"]]
    )


class RouteRuleIn(RouteIn, MailForm):
    """A route for some of the mail."""

    def rule(self) -> RuleRequest:
        """Raises RefusedCommand."""
        return RuleRequest(tuple(self.senders), tuple(self.recipients), self.request())


RouteRulesIn = Annotated[
    list[RouteRuleIn],
    Field(
        max_length=MAX_RULES,
        examples=[[{"recipients": ["@partner.example"], "smarthost": "mx.partner.example:25", "tls": "required"}]],
    ),
]
