"""What the HTTP API and the POP3 sessions share: settings, index, bodies, what removes copies."""

from dataclasses import dataclass

from varco_archive.accounts import ArchiveAccounts
from varco_archive.collections import Collections
from varco_archive.copy_deletion import CopyDeletion
from varco_archive.copy_index import CopyIndex
from varco_archive.copy_reader import CopyReader
from varco_archive.maildrop_locks import MaildropLocks
from varco_archive.retention_sweeper import RetentionSweeper
from varco_common.runtime.passwords import PasswordVerifier


@dataclass(frozen=True, kw_only=True)
class Mailboxes:
    """All accounts' mailboxes."""

    accounts: ArchiveAccounts
    index: CopyIndex
    bodies: CopyReader
    deletion: CopyDeletion
    sweeper: RetentionSweeper
    locks: MaildropLocks
    collections: Collections
    passwords: PasswordVerifier
