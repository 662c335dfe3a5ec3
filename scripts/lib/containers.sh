# shellcheck shell=bash
# Sourced by roll: what Docker says about the stack's containers, and what it can do to them. $project names the stack.

# containers_of SERVICE: their ids, one a line, the oldest first; ended ones too.
containers_of() {
  compose ps --all --quiet "$1" | while read -r id; do
    docker inspect --format '{{.Created}} {{.Id}}' "$id"
  done | sort | cut -d ' ' -f 2
}

label() {
  docker inspect --format "{{index .Config.Labels \"com.docker.compose.$2\"}}" "$1"
}

name_of() {
  docker inspect --format '{{slice .Name 1}}' "$1"
}

# still_there IDS: those of them that exist.
still_there() {
  local id
  for id in $1; do
    if docker inspect "$id" >/dev/null 2>&1; then echo "$id"; fi
  done
}

is_one_of() {
  case " $(echo "$2" | tr '\n' ' ') " in *" $1 "*) ;; *) return 1 ;; esac
}

count_of() {
  echo "$1" | wc -w | tr -d ' '
}

# --- versions: compose writes a digest of a service's settings on its containers

wanted_hash() {
  compose config --hash "$1" | cut -d ' ' -f 2
}

wanted_image() {
  local image
  # To the end of what it reads: who stops early kills the writer, and pipefail takes that for a failure.
  image=$(compose config "$1" | awk -v service="  $1:" '$0 == service { found = 1 } found && $1 == "image:" { print $2; found = 0 }')
  docker image inspect --format '{{.Id}}' "$image" 2>/dev/null ||
    fail "there is no image $image: --build builds it"
}

# is_version CONTAINER IMAGE HASH
is_version() {
  [ "$(docker inspect --format '{{.Image}}' "$1")" = "$2" ] && [ "$(label "$1" config-hash)" = "$3" ]
}

# create SERVICE NUMBER: that many more containers of the wanted version, not started; prints their ids, also when it
# fails half way. Nothing else is touched. Not with --no-deps: compose then writes another digest, and the next `make up` would replace all.
create() {
  local id known status=0
  known=$(containers_of "$1")
  compose up --no-start --no-build --no-recreate --scale "$1=$(($(count_of "$known") + $2))" "$1" </dev/null >/dev/null 2>&1 || status=1
  for id in $(containers_of "$1"); do
    if ! is_one_of "$id" "$known"; then echo "$id"; fi
  done
  return $status
}

# --- state

is_running() {
  [ "$(docker inspect --format '{{.State.Running}} {{.State.Restarting}}' "$1")" = "true false" ]
}

# health CONTAINER: starting, healthy, unhealthy, or ended: also when Docker is about to start it anew.
health() {
  if is_running "$1"; then docker inspect --format '{{.State.Health.Status}}' "$1"; else echo ended; fi
}

# Did it end by itself, so that Docker started it anew?
was_restarted() {
  [ "$(docker inspect --format '{{.RestartCount}}' "$1")" != 0 ]
}

# Is it healthy, and does it say itself that database and migrations are there? Asked over and over while others work: as in
# docker/web.Dockerfile, without urllib.
answers_ready() {
  [ "$(health "$1")" = healthy ] && bounded 10 docker exec "$1" python -ISc \
    "import os, socket
s = socket.create_connection(('127.0.0.1', int(os.environ['PORT'])), 5)
s.sendall(b'GET /readyz HTTP/1.0\r\n\r\n')
assert b' 200 ' in s.recv(64)" >/dev/null 2>&1
}

# needs_only NETWORK CONTAINER: are database and Redis the stack's own? They are in that network.
needs_only() {
  local hosts
  hosts=$(docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$2" |
    sed -n 's/^\(DATABASE\|REDIS\)_URL=.*@\([a-z]*\):.*/\2/p' | sort | tr '\n' ' ')
  [ "$1 $hosts" = "data postgres redis " ]
}

show_log() {
  docker logs --tail 20 "$1" >&2 || true
}

# --- networks, by the names compose.yaml gives them

is_in_network() {
  [ -n "$(docker inspect --format "{{with index .NetworkSettings.Networks \"$(network "$1")\"}}yes{{end}}" "$2")" ]
}

address() {
  docker inspect --format "{{(index .NetworkSettings.Networks \"$(network "$1")\").IPAddress}}" "$2"
}

network() {
  echo "${project:?}_$1"
}

leave_network() {
  if is_in_network "$1" "$2"; then docker network disconnect "$(network "$1")" "$2"; fi
}

# enter_network NETWORK CONTAINER SERVICE: with the names compose would have given it there.
enter_network() {
  if is_in_network "$1" "$2"; then return; fi
  docker network connect --alias "$3" --alias "$(name_of "$2")" "$(network "$1")" "$2"
}

# --- ends

# end_container CONTAINER: SIGTERM, its grace period, and gone.
end_container() {
  docker stop "$1" >/dev/null
  if [ "$(docker inspect --format '{{.State.ExitCode}}' "$1")" = 137 ]; then
    say "$(name_of "$1") did not end within its grace period and was killed."
  fi
  docker rm --volumes "$1" >/dev/null
}

# bounded SECONDS COMMAND...: macOS has no timeout; nothing is lost there but the bound.
bounded() {
  if command -v timeout >/dev/null; then timeout --foreground "$@"; else "${@:2}"; fi
}
