"""All of the proof, opened and closed as one: files, key, tree, notary."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from varco_audit.settings import Settings
from varco_audit.transparency.checkpoint_files import CheckpointFiles
from varco_audit.transparency.checkpoint_signer import CheckpointSigner
from varco_audit.transparency.signed_history import SignedHistory
from varco_audit.transparency.signing_key_file import BadKeyFile, SigningKeyFile
from varco_audit.transparency.tree_files import TreeFiles
from varco_common.base.settings import BrokenSetting
from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus


@asynccontextmanager
async def open_transparency(bus: Bus, settings: Settings) -> AsyncIterator[tuple[SignedHistory, CheckpointSigner]]:
    """What `Notary.run` fills with life. Raises BrokenSetting where the key or the directory can't be used."""
    levels = _levels(settings)
    try:
        history = SignedHistory(bus, levels, CheckpointFiles(settings.proof_directory / "checkpoints"))
        file = SigningKeyFile(settings.signing_key_path)
        origin = await retry_until_available(history.origin)
        try:
            key = file.key(origin)
            file.next()  # only whether it can be read: `run` decides whose time it is
        except BadKeyFile as error:
            raise BrokenSetting("VARCO_AUDIT_SIGNING_KEY_FILE", file.path, str(error)) from None
        yield history, CheckpointSigner(bus, history, file, key, settings.checkpoint_every)
    finally:
        levels.close()


def _levels(settings: Settings) -> TreeFiles:
    try:
        return TreeFiles.open(settings.proof_directory)
    except OSError as error:
        expected = f"a directory that this audit alone can write ({error.strerror or error})"
        raise BrokenSetting("VARCO_HOME", settings.proof_directory, expected) from None
