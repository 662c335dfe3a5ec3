# shellcheck shell=bash
# Sourced by up, roll, down and clean: the stack's compose files and the values of .env.

# shellcheck disable=SC2034  # used by the scripts that source this
env_file=${root:?common.sh comes first}/.env
# shellcheck source=scripts/lib/secrets.sh
. "$root/scripts/lib/secrets.sh"

# Names used by the scripts.
asked=(SECRET_KEY POSTGRES_PASSWORD POSTGRES_OWNER_PASSWORD REDIS_PASSWORD PUBLIC_URL DRAIN_SECONDS HTTP_BIND HTTP_PORT HTTPS_PORT WEB_REPLICAS
  TLS_CERTIFICATE TLS_KEY ACME_EMAIL ARCHIVE_DAYS COMPOSE_FILE COMPOSE_PROFILES IMAGE_PREFIX BACKUP_DIR BACKUP_KEEP BACKUP_ENCRYPT_TO
  SECRET_KEY_FALLBACKS REPLICA_URL EMAIL_URL VAPID_PRIVATE_KEY OTEL_EXPORTER_OTLP_HEADERS ARCHIVE_CIPHER_PASS ALERTS_URL)

# read_settings: let compose read .env and the environment once, for set_value. Only compose parses that file, so quotes,
# comments, `export`, line ends and ${…} mean the same here as in compose.yaml.
read_settings() {
  local name file
  # shellcheck disable=SC2016  # compose expands it
  file=$(
    printf 'services:\n  settings:\n    image: none\n    environment:\n'
    for name in "${asked[@]}"; do printf '      %s: "${%s-}"\n' "$name" "$name"; done
  )
  settings=$(docker compose --project-name settings --project-directory "$root" --file - config --format json 2>&1 <<<"$file") ||
    fail "$(without_value "$settings")"
}

# compose quotes an unterminated value in its error: it may be a password.
without_value() {
  sed 's/\(unterminated quoted value\).*/\1/; s/\(unexpected character\).*/\1/' <<<"$1"
}

# set_value NAME: print compose's value of NAME; empty if unset. Decodes its JSON, for values of one line.
set_value() {
  sed -n "s/^ *\"$1\": \"\(.*\)\",\{0,1\}\$/\1/p" <<<"${settings:?read_settings comes first}" |
    sed 's/\$\$/$/g; s/\\u003c/</g; s/\\u003e/>/g; s/\\u0026/\&/g; s/\\"/"/g; s/\\\\/\\/g'
}

uses_tls() {
  [ -n "$(set_value TLS_CERTIFICATE)" ] || uses_acme
}

uses_acme() {
  [ -n "$(set_value ACME_EMAIL)" ]
}

keeps_archive() {
  [ -n "$(set_value ARCHIVE_DAYS)" ]
}

# compose ARGUMENT...: docker compose on our files from any directory; ended after $seconds, if set.
compose() {
  local command=(docker compose --project-directory "$root") file
  ensure_versions
  for file in $(compose_files); do command+=(--file "$root/$file"); done
  # macOS has no timeout; it only loses the time limit.
  if [ -n "${seconds:-}" ] && command -v timeout >/dev/null; then command=(timeout --foreground "$seconds" "${command[@]}"); fi
  "${command[@]}" "$@"
}

# COMPOSE_FILE overrides our choice, as in docker compose itself.
compose_files() {
  if [ -n "$(set_value COMPOSE_FILE)" ]; then
    set_value COMPOSE_FILE | tr ':' '\n'
    return
  fi
  echo compose.yaml
  if uses_acme; then echo compose.acme.yaml; elif uses_tls; then echo compose.tls.yaml; fi
  if keeps_archive; then echo compose.archive.yaml; fi
  case ,$(set_value COMPOSE_PROFILES), in *,observability,*) echo compose.observability.yaml ;; esac
  if [ -f "$root/compose.override.yaml" ]; then echo compose.override.yaml; fi
}

# refuse_foreign_stack: refuse containers of another checkout with the same project name. If that directory no longer exists, the
# checkout was moved here.
refuse_foreign_stack() {
  local directory directories ids
  ids=$(compose ps --all --quiet 2>/dev/null) || return 0
  [ -n "$ids" ] || return 0
  # One call for all of them; it fails when one is gone meanwhile. Ids are words.
  # shellcheck disable=SC2086
  directories=$(docker inspect --format '{{index .Config.Labels "com.docker.compose.project.working_dir"}}' $ids 2>/dev/null | sort -u) || true
  while read -r directory; do
    [ -e "$directory/compose.yaml" ] || continue
    [ "$(cd -P "$directory" && pwd)" = "$root" ] ||
      fail "a stack of this name belongs to the checkout $directory: set COMPOSE_PROJECT_NAME in .env to another name (and HTTP_PORT to a free port)"
  done <<<"$directories"
}

# 43 characters, 256 bits; all of them are valid in a URL.
random_text() {
  head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'
}

need_docker() {
  command -v docker >/dev/null ||
    fail "docker is not installed: the stack runs in containers. \`make run\` serves without them."
  docker compose version >/dev/null 2>&1 ||
    fail "docker has no \`compose\`: install the Compose plugin, version 2.20 or newer (package docker-compose-v2 or docker-compose-plugin)"
  docker info >/dev/null 2>&1 ||
    fail "cannot talk to the Docker engine: is it running, and may $(id -un) use it? \`docker info\` says more"
}
