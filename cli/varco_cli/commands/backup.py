"""`varco backup` and `varco restore`: all that can't be made again, out of a gate and into an empty one."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from varco_cli import api_client, output
from varco_cli.backup.create import Backup
from varco_cli.backup.files import BackupReader, BackupWriter, BrokenBackup
from varco_cli.backup.manifest import BackupManifest
from varco_cli.backup.restore import NotEmpty, Restore, check_home, put_files
from varco_cli.backup.storage import over_network, reached
from varco_cli.failures import Conflict, Failure, Misused, Unreachable
from varco_cli.output import Json
from varco_cli.stack import AlreadyRunning, FailedStart
from varco_common.base.durable_file import DamagedFile
from varco_common.base.errors import TransientError
from varco_common.base.settings import BrokenSetting

Where = Annotated[Path, typer.Argument(help="A directory, or a file whose name ends in .tar.", metavar="DIR|FILE.tar")]


def backup(
    to: Where,
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="Keys, passwords and certificates of VARCO_HOME, too: guard it well.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Writes streams, objects and databases to a new place, while mail flows.

    Exit code 1 where the object store lost something.

    It is the gate of VARCO_HOME, running or not; or the one of VARCO_NATS_URL and
    VARCO_S3_ENDPOINT, as in a container. Without the secrets, passwords of next hops and issued API
    tokens are lost with the home they were made in.

    Examples: `varco backup /backup/2026-11-24` · `varco backup /backup/2026-11-24.tar
    --with-secrets`
    """
    if to.exists():
        raise Misused(f"{to} exists already: a backup goes to a new place")
    if with_secrets and over_network():
        raise Misused("--with-secrets: the secrets are files of a VARCO_HOME; over the network, copy them by hand")
    if not over_network() and not api_client.state_directory().path.exists():
        raise Misused(f"{api_client.state_directory().path} doesn't exist: name the gate with VARCO_HOME")
    manifest = _run(_backup(to, with_secrets))
    summary = _summary(manifest) | {"backup": str(to)}
    output.show(summary, as_json, lambda: _print(manifest, f"the backup is in {to}"))
    if not with_secrets and not over_network():
        output.step("without --with-secrets: passwords of next hops and API tokens can't be restored from it")
    if manifest.missing:
        raise Failure(f"{len(manifest.missing)} objects are missing or damaged in the store: see the list above")


def restore(
    source: Where,
    check: Annotated[bool, typer.Option("--check", help="Only read it all, and compare the checksums.")] = False,
    replicas: Annotated[int, typer.Option(help="Of the streams: 3 on a cluster.", min=1, max=5)] = 1,
    as_json: Json = False,
) -> None:
    """Puts a backup back, into an empty VARCO_HOME or an empty bus.

    Services are started after it, not before.

    Sequences, subjects and times are kept, so old checkpoints still hold; mail that waited is
    delivered after the start.

    Examples: `VARCO_HOME=/srv/varco varco restore /backup/2026-11-24` · `varco restore --check
    /backup/2026-11-24.tar`
    """
    manifest, contents = _run(_restore(source, check, replicas))
    summary = _summary(manifest) | {"restored": contents}
    done = "it is whole" if check else "restored: start the services now"
    output.show(summary, as_json, lambda: _print(manifest, done))


async def _backup(to: Path, with_secrets: bool) -> BackupManifest:
    async with reached(output.step) as storage:
        try:
            with BackupWriter.open(to) as writer:
                return await Backup(storage, writer, output.step).take(with_secrets=with_secrets)
        except OSError as error:
            raise Failure(f"{to} can't be written: {error}") from None


async def _restore(source: Path, check: bool, replicas: int) -> tuple[BackupManifest, dict[str, int]]:
    with BackupReader.open(source) as reader:
        output.step(f"checking {reader.manifest.size} bytes")
        for _ in reader.check():
            pass
        if check:
            return reader.manifest, {}
        if not over_network():
            _prepare_home(reader)
        async with reached(output.step) as storage:
            contents = await Restore(storage, reader, output.step, replicas=replicas).put_back()
        if not over_network():
            put_files(api_client.state_directory().path, reader, reader.manifest.databases)
            api_client.state_directory().trial_made.touch(0o600)
        return reader.manifest, {stream: item.last for stream, item in contents.items()}


def _prepare_home(reader: BackupReader) -> None:
    if pid := api_client.state_directory().running():
        raise Conflict(
            f"a stack runs in {api_client.state_directory().path} (process {pid}): restore into an empty VARCO_HOME"
        )
    check_home(api_client.state_directory().path, reader)
    put_files(api_client.state_directory().path, reader, reader.manifest.secrets)


def _run(work: Any) -> Any:
    try:
        return asyncio.run(work)
    except BrokenBackup as error:
        raise Failure(f"broken backup: {error}") from None
    except (NotEmpty, AlreadyRunning) as error:
        raise Conflict(str(error)) from None
    except (BrokenSetting, DamagedFile) as error:
        raise Misused(str(error)) from None
    except FailedStart as error:
        raise Failure(str(error)) from None
    except TransientError as error:
        raise Unreachable(str(error)) from None


def _summary(manifest: BackupManifest) -> dict[str, Any]:
    return {
        "made_at": manifest.made_at,
        "varco": manifest.varco,
        "bytes": manifest.size,
        "streams": {item.stream: item.about["state"]["last_seq"] for item in manifest.streams},
        "objects": len(manifest.objects),
        "databases": [item.path for item in manifest.databases],
        "secrets": bool(manifest.secrets),
        "missing": manifest.missing,
    }


def _print(manifest: BackupManifest, done: str) -> None:
    output.record(_summary(manifest))
    output.line(done)
