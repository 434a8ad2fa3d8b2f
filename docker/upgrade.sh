#!/usr/bin/env bash
# Replaces every service by the version in this folder: docs/operations.md, "Upgrade". Voters first, ingress last, so that no
# new ingress asks an old voter. What can run twice is replaced while its successor runs already.
set -euo pipefail
. "$(dirname "$0")/settings.sh"
step() { echo "upgrade: $*" >&2; }
compose() { docker compose --progress quiet "$@"; }
# With what they depend on, not --no-deps: Compose 2.26 would take them for changed at the next `up`, and replace them again.
up() { compose up --detach --wait --wait-timeout 300 "$@"; }
ids() { compose ps --quiet --status running "$1"; }

remove() { # each id: it drains
    [ $# -eq 0 ] || { docker stop "$@" && docker rm "$@"; } > /dev/null
}

is_new() { # does this service run from the image that was built last, with the settings of now?
    local image id plan
    image=$(docker image inspect --format '{{.Id}}' "$(compose config --images "$1" | grep "varco/$1:")")
    for id in $(ids "$1"); do
        [ "$(docker inspect --format '{{.Image}}' "$id")" = "$image" ] || return 1
    done
    plan=$(docker compose --progress plain --dry-run create "$1" 2>&1)
    ! grep -qE -- "-$1-[0-9]+ +Recreate" <<< "$plan"
}

overlap() { # SERVICE: as many new containers beside the old ones, which then end
    local old
    is_new "$1" && return
    old=$(ids "$1")
    up --no-recreate --scale "$1=$(($(wc -w <<< "$old") * 2))" "$1"
    # shellcheck disable=SC2086 - a word for each id
    remove $old
}

step "images"
compose build --quiet
step "settings, secrets, ports"
"$(dirname "$0")/check.sh"
step "users of the bus, streams and schemas"
if here nats; then
    compose exec -T nats sh -c 'kill -HUP 1' # not `docker kill`: after that, Docker would not start it again
fi
for service in nats postgres minio; do
    if here "$service"; then up "$service"; fi
done
compose run --rm --no-TTY --no-deps prepare
step "policy and ratelimit"
overlap policy
overlap ratelimit
step "banguard and filelink"
up banguard filelink
step "all that no client waits for"
# shellcheck disable=SC2046 - a word for each service
up $(compose config --services | grep -vxE 'volumes|prepare|gate|ingress-smtp|firewall')
step "ingress and firewall"
helper=""
if ! is_new ingress-smtp; then # its API has the first port of its range again only once the old one is gone
    old=$(ids ingress-smtp)
    up --no-recreate --scale "ingress-smtp=$(($(wc -w <<< "$old") + 1))" ingress-smtp
    helper=$(comm -13 <(sort <<< "$old") <(ids ingress-smtp | sort))
    # shellcheck disable=SC2086 - a word for each id
    remove $old
    up --no-recreate --scale "ingress-smtp=$(($(wc -w <<< "$old") + 1))" ingress-smtp
    remove "$helper"
fi
up
