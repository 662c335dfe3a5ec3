# shellcheck shell=bash
# Sourced by up, down and clean: which files the stack is made of, and what .env says.

env_file=${root:?common.sh comes first}/.env

# set_value NAME: what compose would take for NAME: the environment's value, else .env's.
set_value() {
  if [ -n "${!1:-}" ]; then
    printf '%s' "${!1}"
  elif [ -r "$env_file" ]; then
    sed -n "s/^[[:space:]]*\(export[[:space:]]\{1,\}\)\{0,1\}$1[[:space:]]*=[[:space:]]*//p" "$env_file" | tail -n 1 |
      sed "s/^\"\(.*\)\"[[:space:]]*\$/\1/; s/^'\(.*\)'[[:space:]]*\$/\1/; s/[[:space:]]\{1,\}#.*\$//; s/[[:space:]]*\$//"
  fi
}

uses_tls() {
  [ -n "$(set_value TLS_CERTIFICATE)" ]
}

# compose ARGUMENT...: docker compose on our files, whatever the current directory is; ended after $seconds, if set.
compose() {
  local command=(docker compose --project-directory "$root") file
  for file in $(compose_files); do command+=(--file "$root/$file"); done
  # macOS has no timeout; nothing is lost there but the bound.
  if [ -n "${seconds:-}" ] && command -v timeout >/dev/null; then command=(timeout --foreground "$seconds" "${command[@]}"); fi
  "${command[@]}" "$@"
}

# COMPOSE_FILE stands above our choice, as it does for docker compose itself.
compose_files() {
  if [ -n "$(set_value COMPOSE_FILE)" ]; then
    set_value COMPOSE_FILE | tr ':' '\n'
    return
  fi
  echo compose.yaml
  if uses_tls; then echo compose.tls.yaml; fi
  if [ -f "$root/compose.override.yaml" ]; then echo compose.override.yaml; fi
}

need_docker() {
  command -v docker >/dev/null ||
    fail "docker is not installed: the stack runs in containers. \`make run\` serves without them."
  docker compose version >/dev/null 2>&1 ||
    fail "docker has no \`compose\`: install the Compose plugin, version 2.20 or newer (package docker-compose-v2 or docker-compose-plugin)"
  docker info >/dev/null 2>&1 ||
    fail "cannot talk to the Docker engine: is it running, and may $(id -un) use it? \`docker info\` says more"
}

# Stopping needs no secrets, but compose refuses to read its file without them.
allow_without_secrets() {
  local name
  for name in SECRET_KEY POSTGRES_PASSWORD REDIS_PASSWORD; do
    [ -n "$(set_value "$name")" ] || export "$name=none"
  done
}
