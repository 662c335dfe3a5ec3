# shellcheck shell=bash
# Sourced by up, roll, down and clean: the stack's compose files and the values of .env.

# shellcheck disable=SC2034  # used by the scripts that source this
env_file=${root:?common.sh comes first}/.env
# Its target is written, and the link stays.
if [ -L "$env_file" ] && [ -e "$env_file" ]; then env_file=$(readlink -f "$env_file"); fi
# shellcheck source=scripts/lib/secrets.sh
. "$root/scripts/lib/secrets.sh"

# Names used by the scripts.
asked=(SECRET_KEY POSTGRES_PASSWORD POSTGRES_OWNER_PASSWORD REDIS_PASSWORD PUBLIC_URL DRAIN_SECONDS HTTP_BIND HTTP_PORT HTTPS_PORT WEB_REPLICAS
  TLS_CERTIFICATE TLS_KEY ACME_EMAIL ARCHIVE_DAYS COMPOSE_FILE COMPOSE_PROFILES IMAGE_PREFIX IMAGE_TAG BACKUP_DIR BACKUP_KEEP BACKUP_ENCRYPT_TO BACKUP_IDENTITY
  SECRET_KEY_FALLBACKS DATABASE_PASSWORD_FALLBACK REPLICA_URL EMAIL_URL VAPID_PRIVATE_KEY OTEL_EXPORTER_OTLP_HEADERS ARCHIVE_CIPHER_PASS ALERTS_URL)

# read_settings: let compose read .env and the environment once, for set_value. Only compose parses that file, so quotes,
# comments, `export`, line ends and ${…} mean the same here as in compose.yaml.
read_settings() {
  local name file
  # shellcheck disable=SC2016  # compose expands it
  file=$(
    # The name of compose.yaml, which a COMPOSE_PROJECT_NAME overrides here, too.
    printf 'name: hubbub\nservices:\n  settings:\n    image: none\n    environment:\n'
    for name in "${asked[@]}"; do printf '      %s: "${%s-}"\n' "$name" "$name"; done
  )
  settings=$(docker compose --project-directory "$root" --file - config --format json 2>&1 <<<"$file") ||
    fail "$(without_value "$settings")"
}

# refuse_wrong_bytes: refuse a value of .env or of the environment that is not UTF-8. compose puts another character in the place of such
# bytes, unseen, and a client with the real secret would be refused.
refuse_wrong_bytes() {
  local found name
  found=$(
    if [ -f "$env_file" ]; then without_comments <"$env_file" | not_utf8; fi
    for name in "${asked[@]}"; do if [ -n "${!name:-}" ]; then printf '%s=%s\n' "$name" "${!name}"; fi; done | not_utf8
  )
  [ -z "$found" ] || fail "the value of ${found//$'\n'/, } is not UTF-8, and would be read as another one: write it anew (.env, or the environment)"
}

# Each in the C locale: bytes are looked at.
without_comments() {
  LC_ALL=C sed -e 's/^[[:blank:]]*#.*//' -e "/=[[:blank:]]*[\"']/!s/[[:blank:]]#.*//"
}

# not_utf8: print the names of the settings of standard input that have a line which is not UTF-8, each once.
not_utf8() {
  LC_ALL=C awk '
    /^[ \t]*(export[ \t]+)?[A-Za-z_][A-Za-z0-9_]*[ \t]*=/ {
      name = $0; sub(/[ \t]*=.*/, "", name); sub(/^[ \t]*(export[ \t]+)?/, "", name)
    }
    {
      gsub(/[\302-\337][\200-\277]|\340[\240-\277][\200-\277]|[\341-\354\356\357][\200-\277][\200-\277]|\355[\200-\237][\200-\277]/, "")
      gsub(/\360[\220-\277][\200-\277][\200-\277]|[\361-\363][\200-\277][\200-\277][\200-\277]|\364[\200-\217][\200-\277][\200-\277]/, "")
    }
    /[\200-\377]/ && !(name in seen) { seen[name] = 1; print (name == "" ? "line " NR : name) }
  '
}

# compose quotes an unterminated value in its error: it may be a password.
without_value() {
  sed 's/\(unterminated quoted value\).*/\1/; s/\(unexpected character\).*/\1/' <<<"$1"
}

# set_value NAME: print compose's value of NAME; empty if unset. Decodes its JSON, for values of one line. Asked for dozens of times
# by each script: in the shell, for two programs each time took as long as all of compose.
set_value() {
  local value=${settings:?read_settings comes first}
  case $value in *"\"$1\": \""*) ;; *) return 0 ;; esac
  value=${value#*"\"$1\": \""}
  value=${value%%$'\n'*}
  value=${value%,}
  value=${value%\"}
  case $value in
    *[\\$]*) sed 's/\$\$/$/g; s/\\u003c/</g; s/\\u003e/>/g; s/\\u0026/\&/g; s/\\"/"/g; s/\\\\/\\/g' <<<"$value" ;;
    *) printf '%s\n' "$value" ;;
  esac
}

# chosen NAME DEFAULT: of .env with a stack, else of the environment.
chosen() {
  local value=${!1:-}
  if [ -n "${settings:-}" ]; then value=$(set_value "$1"); fi
  echo "${value:-$2}"
}

# set_lines NAME=VALUE...: bring these lines into .env, all at once: an interruption leaves the file of before or the one of after.
# A new line takes the place of its comment of .env.example, else the end. What compose would not take literally is quoted.
# With $note, a comment above each keeps the line of before, for take_back; it stays the same when the line is set once more.
set_lines() {
  local line lines=''
  for line; do
    [ -z "$(not_utf8 <<<"$line")" ] || fail "${line%%=*} is not UTF-8: .env was not changed"
    case ${line#*=} in
      *$'\n'*) fail "${line%%=*} holds a line break: .env was not changed" ;;
      *\'*) fail "${line%%=*} holds a quotation mark, which .env cannot: choose another value" ;;
      *[!A-Za-z0-9._~,:/@%+=-]*) line="${line%%=*}='${line#*=}'" ;;
    esac
    lines+=${lines:+$'\n'}$line
  done
  replace_env with_lines "$lines"
}

# take_back NAME...: bring back the lines of before set_lines, where $note was set.
take_back() {
  replace_env without_lines "$*"
}

# replace_env COMMAND...: put the command's output in the place of .env.
replace_env() {
  rm -f "$env_file.new"
  # The copy has the rights and, for root, the owner.
  if ! cp -p "$env_file" "$env_file.new" || ! "$@" >"$env_file.new" || ! mv -f "$env_file.new" "$env_file"; then
    rm -f "$env_file.new"
    fail "cannot write to $env_file: it is as it was"
  fi
}

# with_lines LINES: print .env with these lines. Through the environment: a command line can be read by everybody on this machine.
with_lines() {
  # shellcheck disable=SC2016  # awk's own
  LINES_OF_ENV=$1 NOTE=${note:-} awk '
    function name_of(line) { sub(/=.*/, "", line); return line }
    function put(name, was) {
      if (ENVIRON["NOTE"] != "" && !(name in noted)) print "#before: " (name in last ? last[name] : was)
      print text[name]
      done[name] = 1
    }
    BEGIN { number = split(ENVIRON["LINES_OF_ENV"], given, "\n"); for (i = 1; i <= number; i++) text[name_of(given[i])] = given[i] }
    NR == FNR {
      there[name_of($0)] = 1
      if (name_of($0) in text) last[name_of($0)] = $0
      if (sub(/^#before: #?/, "")) noted[name_of($0)] = 1
      next
    }
    { name = name_of($0) }
    name in text { if (!(name in done)) put(name, ""); next }
    substr(name, 2) in text && /^#[A-Z_]+=/ && !(substr(name, 2) in there) && !(substr(name, 2) in done) {
      put(substr(name, 2), $0); next
    }
    { print }
    END { for (i = 1; i <= number; i++) { name = name_of(given[i]); if (!(name in done)) put(name, name) } }
  ' "$env_file" "$env_file"
}

# without_lines NAMES: print .env with the lines that the comments of these names keep. A comment of a name alone: there was none.
without_lines() {
  # shellcheck disable=SC2016  # awk's own
  NAMES=$1 awk '
    function name_of(line) { sub(/=.*/, "", line); return line }
    BEGIN { number = split(ENVIRON["NAMES"], given, " "); for (i = 1; i <= number; i++) named[given[i]] = 1 }
    /^#before: / {
      was = substr($0, 10)
      name = was; sub(/^#/, "", name); name = name_of(name)
      if (name in named) { if (was != name) print was; next }
    }
    name_of($0) in named { next }
    { print }
  ' "$env_file"
}

# one_at_a_time: refuse to go on while another of these scripts changes .env or the stack: each would undo what the other does. The kernel
# drops the lock with the last process that has it; a script that such a one calls goes on. macOS has no flock.
one_at_a_time() {
  local file=$root/var/change.lock
  if [ -n "${HUBBUB_CHANGES:-}" ] || ! command -v flock >/dev/null; then return 0; fi
  if ! mkdir -p "$root/var" || ! touch "$file"; then fail "cannot write to $root/var"; fi
  exec 9<"$file"
  flock --nonblock 9 || fail "make up, restore, a rewind, rotate-secret, set or install.sh is under way here: wait for its end"
  export HUBBUB_CHANGES=yes
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
  while IFS= read -r file; do command+=(--file "$file"); done < <(compose_files | from_root)
  # macOS has no timeout; it only loses the time limit.
  if [ -n "${seconds:-}" ] && command -v timeout >/dev/null; then command=(timeout --foreground "$seconds" "${command[@]}"); fi
  "${command[@]}" "$@"
}

# from_root: print the paths of standard input, those of the checkout from its root on.
from_root() {
  local file
  while IFS= read -r file; do
    case $file in /*) echo "$file" ;; *) echo "$root/$file" ;; esac
  done
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

# refuse_foreign_stack: refuse containers and volumes of another checkout with the same project name. If that directory no longer exists,
# the checkout was moved here.
refuse_foreign_stack() {
  local directory
  while read -r directory; do
    [ -e "$directory/compose.yaml" ] || continue
    [ "$(cd -P "$directory" && pwd)" = "$root" ] ||
      fail "a stack of this name belongs to the checkout $directory: set COMPOSE_PROJECT_NAME in .env to another name (and HTTP_PORT to a free port). To take that stack over, move the other checkout away first"
  done < <(checkouts_of_containers && recorded_checkouts)
}

checkouts_of_containers() {
  local ids
  ids=$(our_containers 2>/dev/null) || return 0
  [ -n "$ids" ] || return 0
  # One call for all of them; it fails when one is gone meanwhile. Ids are words.
  # shellcheck disable=SC2086
  docker inspect --format '{{index .Config.Labels "com.docker.compose.project.working_dir"}}' $ids 2>/dev/null | sort -u || true
}

# our_containers: print the ids of all containers of the project, ended ones too. Docker itself tells in a tenth of compose's time.
our_containers() {
  if names_project_itself; then
    compose ps --all --quiet
  else
    docker ps --all --quiet --filter "label=com.docker.compose.project=$(set_value name)"
  fi
}

# names_project_itself: whether an operator's own files may name the project.
names_project_itself() {
  [ -n "$(set_value COMPOSE_FILE)" ] || grep -qs '^name:' "$root/compose.override.yaml"
}

project_name() {
  if names_project_itself; then
    compose config --format json | sed -n 's/^  "name": "\(.*\)",*$/\1/p'
  else
    set_value name
  fi
}

# recorded_checkouts: print the checkout that record_checkout noted for the project.
recorded_checkouts() {
  local project
  project=$(project_name 2>/dev/null) && [ -n "$project" ] || return 0
  docker volume ls --filter "label=com.docker.compose.project=$project" --filter label=hubbub.checkout \
    --format '{{.Label "hubbub.checkout"}}' 2>/dev/null || true
}

# record_checkout: note whose volumes the project's are, for the time without containers. Docker labels a container with its checkout, but
# a volume with its project alone. The note is an empty volume: with another label on theirs, compose would offer to empty them.
record_checkout() {
  local project
  if [ "$(recorded_checkouts)" = "$root" ]; then return; fi
  project=$(project_name) && [ -n "$project" ] || fail "compose does not read its files: see above"
  docker volume rm "${project}_checkout" >/dev/null 2>&1 || true
  docker volume create --label "com.docker.compose.project=$project" --label com.docker.compose.volume=checkout \
    --label "hubbub.checkout=$root" "${project}_checkout" >/dev/null || fail "Docker makes no volume: see above"
}

# 43 letters and digits, 256 bits: valid in a URL, and never a dash first, which a program would take for an option.
random_text() {
  head -c 64 /dev/urandom | base64 | tr -d '+/=\n' | cut -c 1-43
}

need_docker() {
  command -v docker >/dev/null ||
    fail "docker is not installed: the stack runs in containers. \`make run\` serves without them."
  docker compose version >/dev/null 2>&1 ||
    fail "docker has no \`compose\`: install the Compose plugin, version 2.20 or newer (package docker-compose-v2 or docker-compose-plugin)"
  docker info >/dev/null 2>&1 ||
    fail "cannot talk to the Docker engine: is it running, and may $(id -un) use it? \`docker info\` says more"
}
