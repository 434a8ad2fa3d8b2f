#!/usr/bin/env bash
# One folder with everything of a gate that docker compose runs, while mail flows: docs/operations.md, "Backup".
#   docker/backup.sh            into $VARCO_BACKUPS (./backups), in a folder named after the time
set -euo pipefail
umask 077
settings=${COMPOSE_ENV_FILES:-.env}
[ -r "$settings" ] || { echo "no $settings here: run this beside docker-compose.yml, after \`make secrets\`" >&2; exit 2; }
set -a; . "$settings"; set +a
name=$(date +%Y-%m-%d-%H%M%S)
root=${VARCO_BACKUPS:-./backups}
folder=$root/$name
unfinished=$root/.$name
mkdir -p "$unfinished"
[ "$(id -u)" -ne 0 ] || chown "$VARCO_UID:$VARCO_GID" "$root" "$unfinished" # the operator's container writes there
trap 'rm -rf "$unfinished"' EXIT
step() { echo "backup: $*" >&2; }

step "tables"
docker compose exec -T postgres pg_dump --username postgres --dbname varco --clean --if-exists > "$unfinished/tables.sql"
step "keys of audit"
docker compose exec -T audit tar --create --directory /var/lib/varco secrets > "$unfinished/audit.tar"
step "mail, events, objects"
docker compose run --rm --no-TTY operator backup "/backup/.$name/gate.tar" >&2
step "secrets and settings"
files=("$settings"); [ ! -r varco.env ] || files+=(varco.env)
tar --create --file "$unfinished/secrets.tar" --directory "$(dirname "${VARCO_HOME:-./var}")" "$(basename "${VARCO_HOME:-./var}")"
tar --append --file "$unfinished/secrets.tar" --transform 's,.*/,,' "${files[@]}" 2> /dev/null
mv "$unfinished" "$folder"
trap - EXIT
echo "$folder"
