#!/usr/bin/env bash
# Restores what docker/backup.sh wrote, into empty volumes: docs/operations.md, "Restore".
#   docker/restore.sh backups/2026-11-24-030000
# Secrets and settings that are there stay. On a new machine they come out of the backup. What neither has is made, as
# `make secrets` does: a backup of an earlier version has no secret that is needed since.
set -euo pipefail
folder=${1:?"which backup? For example: docker/restore.sh backups/2026-11-24-030000"}
for file in audit.tar gate.tar secrets.tar; do
    [ -r "$folder/$file" ] || { echo "$folder has no $file: it is no whole backup" >&2; exit 2; }
done
step() { echo "restore: $*" >&2; }
if [ ! -e "${COMPOSE_ENV_FILES:-.env}" ]; then
    step "settings"
    tar --extract --file "$folder/secrets.tar" --wildcards '*.env'
fi
. "$(dirname "$0")/settings.sh"
home=$(setting VARCO_HOME ./var)
if [ ! -e "$home" ]; then
    step "secrets"
    mkdir -p "$(dirname "$home")"
    tar --extract --file "$folder/secrets.tar" --directory "$(dirname "$home")" "$(basename "$home")"
fi
! here postgres || [ -r "$folder/tables.sql" ] || { echo "$folder has no tables.sql: it is no whole backup" >&2; exit 2; }
root=$(cd "$(setting VARCO_BACKUPS ./backups)" && pwd)
inside=$(cd "$folder" && pwd)
[ "${inside#"$root"/}" != "$inside" ] || { echo "$folder is not below $root, which VARCO_BACKUPS names: move it there" >&2; exit 2; }
[ "$(id -u)" -ne 0 ] || chown -R "$(setting VARCO_UID 0):$(setting VARCO_GID 0)" "$inside" # the operator's container reads there
home=$(realpath "$home")
step "secrets that the backup has not"
image=$(docker compose config --images prepare | grep varco/cli:)
docker image inspect "$image" > /dev/null 2>&1 || docker compose build --quiet prepare
beside=$(dirname "$(realpath "$settings")")
docker run --rm --network none --user "$(id -u):$(id -g)" --volume "$beside:$beside" --volume "$home:$home" --env VARCO_HOME="$home" \
    "$image" varco init --env-file "$(realpath "$settings")" --hostname "$(setting VARCO_HOSTNAME "$(hostname -f)")" > /dev/null
[ "$(id -u)" -ne 0 ] || chown -R "$(setting VARCO_UID 0):$(setting VARCO_GID 0)" "$home"

step "bus, database and object store start"
for service in nats postgres minio; do
    if here "$service"; then docker compose up --detach --wait "$service"; fi
done
docker compose run --rm --no-TTY prepare
step "mail, events, objects"
docker compose run --rm --no-TTY operator restore "/backup/${inside#"$root"/}/gate.tar" >&2
if here postgres; then
    step "tables"
    docker compose exec -T postgres psql --username postgres --dbname varco --quiet < "$folder/tables.sql"
fi
step "keys of audit"
docker compose run --rm --no-deps --no-TTY audit tar --extract --directory /var/lib/varco < "$folder/audit.tar"
step "every service starts"
docker compose up --detach --wait
