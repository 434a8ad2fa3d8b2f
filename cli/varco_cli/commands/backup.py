"""`varco backup` and `varco restore`: the state of a gate, out of it and into an empty one."""

import asyncio
import io
from pathlib import Path
from typing import Annotated, Any

import typer

from varco_cli import api_client, output
from varco_cli.backup.create import Backup
from varco_cli.backup.files import BackupReader, BackupWriter, BrokenBackup
from varco_cli.backup.manifest import BackupManifest
from varco_cli.backup.restore import NotEmpty, Restore, check_home, write_files
from varco_cli.backup.storage import open_storage, over_network
from varco_cli.commands.stack_failures import command_failures
from varco_cli.failures import CommandFailure, Conflict, Misused
from varco_cli.output import Json
from varco_common.base import log

Where = Annotated[Path, typer.Argument(help="A directory, or a file with the extension .tar.", metavar="DIR|FILE.tar")]


def backup(
    to: Where,
    with_secrets: Annotated[
        bool,
        typer.Option(
            "--with-secrets", help="Include keys, passwords and certificates of VARCO_HOME. Guard the backup well."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Writes streams, objects and databases to a new directory or file. Mail may flow meanwhile.

    Exit code 1 where the object store has lost objects.

    The gate is that of VARCO_HOME, running or not, or that of VARCO_NATS_URL and VARCO_S3_ENDPOINT,
    as in a container. A backup without the secrets can't restore passwords of next hops and issued
    API tokens.

    Examples: `varco backup /backup/2026-11-24` ·
    `varco backup /backup/2026-11-24.tar --with-secrets`
    """
    if to.exists():
        raise Misused(f"{to} exists already: name a new directory or file")
    if with_secrets and over_network():
        raise Misused("--with-secrets: the secrets are files of a VARCO_HOME; over the network, copy them by hand")
    if not over_network() and not api_client.state_directory().path.exists():
        raise Misused(f"{api_client.state_directory().path} doesn't exist: name the gate with VARCO_HOME")
    manifest = _run(_backup(to, with_secrets))
    summary = _summary(manifest) | {"backup": str(to)}
    output.show(summary, as_json, lambda: _print(manifest, f"the backup is in {to}"))
    if not with_secrets and not over_network():
        output.step("without --with-secrets, the backup can't restore passwords of next hops and API tokens")
    if manifest.missing:
        raise CommandFailure(
            f"the object store has lost or damaged {len(manifest.missing)} objects: see the list above"
        )


def restore(
    source: Where,
    check: Annotated[bool, typer.Option("--check", help="Only read the backup and compare the checksums.")] = False,
    replicas: Annotated[int, typer.Option(help="Copies of each stream: 3 on a cluster.", min=1, max=5)] = 1,
    as_json: Json = False,
) -> None:
    """Restores a backup into an empty VARCO_HOME or an empty bus.

    Start the services after the restore, not before.

    Sequences, subjects and times stay the same, so old checkpoints still verify. Queued mail is
    delivered after the start.

    Examples: `VARCO_HOME=/srv/varco varco restore /backup/2026-11-24` ·
    `varco restore --check /backup/2026-11-24.tar`
    """
    if not source.exists():
        raise Misused(f"{source}: no such file or folder")
    manifest, contents = _run(_restore(source, check, replicas))
    summary = _summary(manifest) | {"restored": contents}
    done = "the backup is whole" if check else "restored: start the services now"
    output.show(summary, as_json, lambda: _print(manifest, done))


async def _backup(to: Path, with_secrets: bool) -> BackupManifest:
    async with open_storage(output.step) as storage:
        try:
            with BackupWriter.open(to) as writer:
                return await Backup(storage, writer, output.step).create(with_secrets=with_secrets)
        except OSError as error:
            raise CommandFailure(f"{to} can't be written: {error.strerror or error}") from None


async def _restore(source: Path, check: bool, replicas: int) -> tuple[BackupManifest, dict[str, int]]:
    with BackupReader.open(source) as reader:
        output.step(f"checking {output.human_size(reader.manifest.size)}")
        for _ in reader.check():
            pass
        if check:
            return reader.manifest, {}
        if not over_network():
            _prepare_home(reader)
        async with open_storage(output.step) as storage:
            contents = await Restore(storage, reader, output.step, replicas=replicas).restore()
        if not over_network():
            write_files(api_client.state_directory().path, reader, reader.manifest.databases)
            api_client.state_directory().trial_made.touch(0o600)
        return reader.manifest, {stream: item.last for stream, item in contents.items()}


def _prepare_home(reader: BackupReader) -> None:
    if pid := api_client.state_directory().running():
        raise Conflict(
            f"a stack runs in {api_client.state_directory().path} (process {pid}): restore into an empty VARCO_HOME"
        )
    check_home(api_client.state_directory().path, reader)
    write_files(api_client.state_directory().path, reader, reader.manifest.secrets)


def _run(work: Any) -> Any:
    log.configure("error", io.StringIO())  # the steps are printed, and a failure is raised: logs would say it again
    try:
        with command_failures():
            return asyncio.run(work)
    except BrokenBackup as error:
        raise CommandFailure(f"broken backup: {error}") from None
    except NotEmpty as error:
        raise Conflict(str(error)) from None


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
