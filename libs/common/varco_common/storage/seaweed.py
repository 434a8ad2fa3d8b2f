"""How Varco runs SeaweedFS on one machine: its command line, its credentials, its environment."""

import json
import secrets
from pathlib import Path

from varco_common.base.durable_file import write_durable

PORTS = ("master", "master_grpc", "volume", "volume_grpc", "filer", "filer_grpc", "s3", "s3_grpc")


def command(weed: str, home: Path, ports: dict[str, int], address: str = "127.0.0.1") -> list[str]:
    """`weed server` as one process with master, volumes, filer and S3, each of PORTS on `address`.

    The S3 credentials are read from `home/s3.json` (see `credentials`); data goes to `home/data`.
    """
    (home / "data").mkdir(parents=True, exist_ok=True)
    return [
        weed,
        "-logtostderr=true",
        "server",
        f"-dir={home / 'data'}",
        f"-ip={address}",
        f"-ip.bind={address}",
        f"-master.port={ports['master']}",
        f"-master.port.grpc={ports['master_grpc']}",
        "-master.telemetry=false",
        "-master.resumeState=false",  # else it waits for an election; the volumes hold all that matters
        "-master.volumeSizeLimitMB=1024",
        f"-volume.port={ports['volume']}",
        f"-volume.port.grpc={ports['volume_grpc']}",
        "-volume.max=0",
        "-volume.preStopSeconds=0",
        "-volume.index=leveldb",
        "-filer",
        f"-filer.port={ports['filer']}",
        f"-filer.port.grpc={ports['filer_grpc']}",
        f"-filer.localSocket={home / 'filer.sock'}",
        "-filer.exposeDirectoryData=false",
        "-s3",
        f"-s3.port={ports['s3']}",
        f"-s3.port.grpc={ports['s3_grpc']}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.iam=false",
        f"-s3.localSocket={home / 's3.sock'}",
        f"-s3.config={home / 's3.json'}",
    ]


def environment(home: Path) -> dict[str, str]:
    """Further variables: keys that close the inner ports to all but itself, and a memory limit."""
    keys = ("JWT_SIGNING_KEY", "JWT_SIGNING_READ_KEY", "JWT_FILER_SIGNING_KEY", "JWT_FILER_SIGNING_READ_KEY")
    return {
        **{f"WEED_{key}": secrets.token_hex(32) for key in keys},
        "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",  # creates volumes one by one, and not seven at a time
        "GOMEMLIMIT": "512MiB",  # a soft limit; at 256 MiB large files cost nearly twice the CPU, for garbage
        "HOME": str(home),  # so that it reads no settings of the user who starts it
    }


def credentials(home: Path, access_key: str, secret_key: str) -> None:
    """Writes `home/s3.json` with mode 0600: one identity that may do everything."""
    identity = {
        "name": "varco",
        "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    write_durable(home / "s3.json", json.dumps({"identities": [identity]}))


def remove_sockets(ports: dict[str, int]) -> None:
    """Removes the sockets of a killed server; it always creates them in /tmp."""
    for name in ("master", "volume", "filer", "s3"):
        Path(f"/tmp/seaweedfs-{name}-grpc-{ports[f'{name}_grpc']}.sock").unlink(missing_ok=True)  # noqa: S108 - its choice
