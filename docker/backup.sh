#!/usr/bin/env bash
# One folder with everything of a gate that docker compose runs, while mail flows: docs/operations.md, "Backup".
#   docker/backup.sh            into $VARCO_BACKUPS (./backups), in a folder named after the time
set -euo pipefail
umask 077
. "$(dirname "$0")/settings.sh"
home=$(setting VARCO_HOME ./var)
name=$(date +%Y-%m-%d-%H%M%S)
root=$(setting VARCO_BACKUPS ./backups)
folder=$root/$name
unfinished=$root/.$name
mkdir -p "$unfinished"
[ "$(id -u)" -ne 0 ] || chown "$(setting VARCO_UID 0):$(setting VARCO_GID 0)" "$root" "$unfinished" # the operator's container writes there
trap 'rm -rf "$unfinished"' EXIT
step() { echo "backup: $*" >&2; }

if here postgres; then
    step "tables"
    docker compose exec -T postgres pg_dump --username postgres --dbname varco --clean --if-exists > "$unfinished/tables.sql"
else
    step "no tables: PostgreSQL is elsewhere, back it up there"
fi
step "keys of audit"
docker compose exec -T audit tar --create --directory /var/lib/varco secrets > "$unfinished/audit.tar"
step "mail, events, objects"
docker compose run --rm --no-TTY operator backup "/backup/.$name/gate.tar" >&2
step "secrets and settings"
more=$(setting VARCO_SETTINGS varco.env)
files=("$settings"); [ ! -r "$more" ] || files+=("$more")
tar --create --file "$unfinished/secrets.tar" --directory "$(dirname "$home")" "$(basename "$home")"
tar --append --file "$unfinished/secrets.tar" --transform 's,.*/,,' "${files[@]}" 2> /dev/null
mv "$unfinished" "$folder"
trap - EXIT
echo "$folder"
