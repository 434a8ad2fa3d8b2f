"""archive's metrics."""

from prometheus_client import Counter, Gauge

COPIES = Counter("varco_archive_copies_total", "Mails that were indexed as copies")
LAG = Gauge("varco_archive_index_lag_seconds", "Age of the newest record when it was indexed")
PENDING = Gauge("varco_archive_index_pending", "Records of stream MAIL that are not indexed yet")
OWED = Gauge("varco_archive_forward_owed", "Copies that wait to be forwarded")
FORWARDED = Counter("varco_archive_forwarded_total", "Copies that were appended to MAIL for relay")
BOUNCED = Counter("varco_archive_bounced_total", "Forwarded copies that could not be delivered")
REMOVED = Counter("varco_archive_removed_total", "Copies that were removed from a mailbox", ["cause"])
SESSIONS = Gauge("varco_archive_pop3_sessions", "Open POP3 connections")
LOGINS = Counter("varco_archive_pop3_logins_total", "POP3 logins", ["outcome"])
FETCHED = Counter("varco_archive_pop3_fetched_total", "Copies that were fetched by POP3")
OCTETS = Counter("varco_archive_pop3_octets_total", "Octets of those copies")
