"""Questions to the DNS: who is asked, and what the answer means."""

from varco_common.dns.answers import Absent, Answer, Found, MailExchanger, TlsaRecord, Unknown
from varco_common.dns.resolver import Resolver
from varco_common.dns.settings import WithResolver

__all__ = ["Absent", "Answer", "Found", "MailExchanger", "Resolver", "TlsaRecord", "Unknown", "WithResolver"]
