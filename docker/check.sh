#!/usr/bin/env bash
# Says what is wrong with settings, secrets, certificates, ports and passwords before anything is started or replaced:
# docs/docker.md, "Check". Exit code 2 where something must be mended.
set -euo pipefail
. "$(dirname "$0")/settings.sh"
more=$(setting VARCO_SETTINGS varco.env)
files=(--volume "$(realpath "$settings"):/settings/.env:ro")
[ ! -r "$more" ] || files+=(--volume "$(realpath "$more"):/settings/varco.env:ro")
held=$(docker compose ps --format '{{.Ports}}' | tr '\n' ' ')
profiles=(--profile cli)
for profile in $(setting COMPOSE_PROFILES "" | tr , ' '); do profiles+=(--profile "$profile"); done
tried=""
if ! here nats || [ -n "$(docker compose ps --quiet --status running nats)" ]; then # else nothing could refuse a password yet
    tried=$(docker compose --progress quiet run --rm --no-TTY --no-deps prepare varco check --connections --json) || untried=$?
fi
docker compose "${profiles[@]}" config --format json |
    docker compose --progress quiet run --rm --no-TTY --no-deps "${files[@]}" check --held "$held" --tried "$tried" "$@"
[ -n "$tried" ] || exit "${untried:-0}" # why it could not be tried stands on standard error
