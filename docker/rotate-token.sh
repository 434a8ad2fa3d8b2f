#!/usr/bin/env bash
# Replaces the admin token while everything runs: docs/docker.md, "Secrets". It is written before the old one is revoked.
set -euo pipefail
umask 077
. "$(dirname "$0")/settings.sh"
file=$(setting VARCO_HOME ./var)/admin.token
next=$file.next
docker compose --progress quiet run --rm --no-TTY varco tokens rotate --print "$@" > "$next" || status=$?
if [ "$(wc -w < "$next")" -ne 1 ]; then # no token, but what `--help` or an error says
    cat "$next" && rm "$next"
    exit "${status:-1}"
fi
chmod --reference "$file" "$next"
chown --reference "$file" "$next" 2> /dev/null || true # root keeps the containers' user; another user owns both
mv "$next" "$file"
exit "${status:-0}"
