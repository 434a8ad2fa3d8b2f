"""All of the proof, opened and closed as one: files, key, tree, notary."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from varco_audit.proof.history import History
from varco_audit.proof.keyfile import BadKeyFile, KeyFile
from varco_audit.proof.levels import Levels
from varco_audit.proof.notary import Notary
from varco_audit.proof.shelf import Shelf
from varco_audit.settings import Settings
from varco_common.base.settings import BrokenSetting
from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus


@asynccontextmanager
async def opened(bus: Bus, settings: Settings) -> AsyncIterator[tuple[History, Notary]]:
    """What `Notary.run` fills with life. Raises BrokenSetting where the key or the directory can't be used."""
    levels = _levels(settings)
    try:
        history = History(bus, levels, Shelf(settings.proof_directory / "checkpoints"))
        file = KeyFile(settings.signing_key_path)
        origin = await retry_until_available(history.origin)
        try:
            key = file.key(origin)
            file.next()  # only whether it can be read: `run` decides whose time it is
        except BadKeyFile as error:
            raise BrokenSetting("VARCO_AUDIT_SIGNING_KEY_FILE", file.path, str(error)) from None
        yield history, Notary(bus, history, file, key, settings.checkpoint_every)
    finally:
        levels.close()


def _levels(settings: Settings) -> Levels:
    try:
        return Levels.open(settings.proof_directory)
    except OSError as error:
        expected = f"a directory that this audit alone can write ({error.strerror or error})"
        raise BrokenSetting("VARCO_HOME", settings.proof_directory, expected) from None
