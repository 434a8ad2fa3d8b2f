# For the scripts beside it: the file of settings that docker compose reads, and single values of it.
settings=${COMPOSE_ENV_FILES:-.env}
[ -r "$settings" ] || { echo "no $settings here: run this beside docker-compose.yml, after \`make secrets\`" >&2; exit 2; }

services=$(docker compose config --services)

# here SERVICE: does it run in this deployment, and not elsewhere (compose.external.yml)?
here() { grep -qx "$1" <<< "$services"; } # not of a pipe: `grep -q` ends early, and pipefail takes that for a no

# setting NAME DEFAULT: the value as docker compose takes it; the environment goes before the file
setting() {
    local value=${!1:-}
    [ -n "$value" ] || value=$(sed -n "s/^ *$1=//p" "$settings" | tail -n 1)
    value=${value#[\"\']}
    value=${value%[\"\']}
    printf %s "${value:-$2}"
}
