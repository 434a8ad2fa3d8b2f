"""Records of dnspython become plain values. Pure."""

import dns.name
import dns.rdata
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.TLSA
import dns.rdtypes.ANY.TXT

from varco_common.dns.answers import MailExchanger, TlsaRecord


def plain(name: dns.name.Name) -> str:
    """Lower case, without the dot at the end; empty for the root."""
    return name.to_text().lower().rstrip(".")


def text(rdata: dns.rdata.Rdata) -> str:
    assert isinstance(rdata, dns.rdtypes.ANY.TXT.TXT)
    return b"".join(rdata.strings).decode("ascii", "replace")


def mail_exchanger(rdata: dns.rdata.Rdata) -> MailExchanger:
    assert isinstance(rdata, dns.rdtypes.ANY.MX.MX)
    return MailExchanger(rdata.preference, plain(rdata.exchange))


def tlsa(rdata: dns.rdata.Rdata) -> TlsaRecord:
    assert isinstance(rdata, dns.rdtypes.ANY.TLSA.TLSA)
    return TlsaRecord(rdata.usage, rdata.selector, rdata.mtype, rdata.cert)


def address(rdata: dns.rdata.Rdata) -> str:
    """Of an A or AAAA record."""
    return str(rdata.address)  # type: ignore[attr-defined]


def target(rdata: dns.rdata.Rdata) -> str:
    """The name that a PTR record leads to."""
    return plain(rdata.target)  # type: ignore[attr-defined]
