"""Opens and closes what transparency consists of: files, key, tree and signer."""

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
    """`CheckpointSigner.run` starts the history.

    Raises BrokenSetting if the key file or the directory can't be used.
    """
    try:
        tree = TreeFiles.open(settings.transparency_directory)
    except OSError as error:
        expected = f"a directory that this audit alone can write ({error.strerror or error})"
        raise BrokenSetting("VARCO_HOME", settings.transparency_directory, expected) from None
    try:
        history = SignedHistory(bus, tree, CheckpointFiles(settings.transparency_directory / "checkpoints"))
        file = SigningKeyFile(settings.signing_key_path)
        origin = await retry_until_available(history.origin)
        try:
            key = file.key(origin)
            file.next_key()  # only to refuse the start if it can't be read
        except BadKeyFile as error:
            raise BrokenSetting("VARCO_AUDIT_SIGNING_KEY_FILE", file.path, str(error)) from None
        yield history, CheckpointSigner(bus, history, file, key)
    finally:
        tree.close()
