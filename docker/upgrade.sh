#!/usr/bin/env bash
# Replaces every service by the version in this folder: docs/operations.md, "Upgrade". Ports stay open; voters first,
# ingress last, so that no new ingress asks an old voter.
set -euo pipefail
[ -r "${COMPOSE_ENV_FILES:-.env}" ] || { echo "no .env here: run this beside docker-compose.yml, after \`make secrets\`" >&2; exit 2; }
step() { echo "upgrade: $*" >&2; }
replace() { docker compose up --detach --no-deps --wait "$@"; }

step "images"
docker compose build --quiet
step "users of the bus, streams and schemas"
docker compose exec -T nats sh -c 'kill -HUP 1' # not `docker kill`: after that, Docker would not start it again
docker compose run --rm --no-TTY prepare
step "voters and workers"
replace policy ratelimit banguard filelink relay domains archive audit console
step "ingress and firewall"
replace ingress-smtp firewall
