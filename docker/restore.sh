#!/usr/bin/env bash
# Restores what docker/backup.sh wrote, into empty volumes: docs/operations.md, "Restore".
#   docker/restore.sh backups/2026-11-24-030000
# Secrets and settings that are there stay. On a new machine they come out of the backup.
set -euo pipefail
folder=${1:?"which backup? For example: docker/restore.sh backups/2026-11-24-030000"}
settings=${COMPOSE_ENV_FILES:-.env}
for file in tables.sql audit.tar gate.tar secrets.tar; do
    [ -r "$folder/$file" ] || { echo "$folder has no $file: it is no whole backup" >&2; exit 2; }
done
step() { echo "restore: $*" >&2; }
if [ ! -e "$settings" ]; then
    step "secrets and settings"
    tar --extract --file "$folder/secrets.tar"
fi
set -a; . "$settings"; set +a
root=$(cd "${VARCO_BACKUPS:-./backups}" && pwd)
inside=$(cd "$folder" && pwd)
[ "${inside#"$root"/}" != "$inside" ] || { echo "$folder is not below $root, which VARCO_BACKUPS names: move it there" >&2; exit 2; }

step "bus, database and object store start"
docker compose up --detach --wait nats postgres minio
docker compose run --rm --no-TTY prepare
step "mail, events, objects"
docker compose run --rm --no-TTY operator restore "/backup/${inside#"$root"/}/gate.tar" >&2
step "tables"
docker compose exec -T postgres psql --username postgres --dbname varco --quiet < "$folder/tables.sql"
step "keys of audit"
docker compose run --rm --no-deps --no-TTY audit tar --extract --directory /var/lib/varco < "$folder/audit.tar"
step "every service starts"
docker compose up --detach --wait
