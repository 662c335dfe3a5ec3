# shellcheck shell=bash
# Sourced by up and roll: what must be right in .env, the images, and whether the whole path answers.

: "${root:?common.sh comes first}" "${env_file:?stack.sh comes first}"

required=(SECRET_KEY POSTGRES_PASSWORD REDIS_PASSWORD)
# What a new .env gets. An installation from before the database had an owner of its own goes on without it.
# shellcheck disable=SC2034  # used by up
made=("${required[@]}" POSTGRES_OWNER_PASSWORD)

refuse_wrong_settings() {
  refuse_missing_settings
  refuse_half_tls
  refuse_wrong_acme
  refuse_wrong_numbers
  refuse_wrong_bind
}

refuse_missing_settings() {
  local name missing=()
  refuse_wrong_bytes
  for name in "${required[@]}"; do
    [ -n "$(set_value "$name")" ] || missing+=("$name")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    fail ".env lacks ${missing[*]}: add a line NAME=value for each (random letters and digits, 40 of them), or set them in the environment"
  fi
  for name in POSTGRES_PASSWORD POSTGRES_OWNER_PASSWORD REDIS_PASSWORD; do
    case $(set_value "$name") in
      *[!A-Za-z0-9._~-]*) fail "$name may hold letters, digits and . _ ~ - only: it becomes part of a URL" ;;
    esac
  done
}

refuse_half_tls() {
  local certificate key file
  certificate=$(set_value TLS_CERTIFICATE) key=$(set_value TLS_KEY)
  if [ -z "$certificate$key" ]; then return; fi
  [ -n "$certificate" ] || fail "TLS_KEY is set, TLS_CERTIFICATE is not: TLS needs both"
  [ -n "$key" ] || fail "TLS_CERTIFICATE is set, TLS_KEY is not: TLS needs both"
  for file in "$certificate" "$key"; do
    # As compose does, from wherever the script is called.
    [ -f "$(from_root <<<"$file")" ] || fail "there is no file $file (TLS_CERTIFICATE, TLS_KEY)"
  done
}

refuse_wrong_acme() {
  uses_acme || return 0
  [ -z "$(set_value TLS_CERTIFICATE)" ] || fail "ACME_EMAIL and TLS_CERTIFICATE are set: one of them is where the certificate comes from"
  case $(set_value PUBLIC_URL) in
    https://*) ;;
    *) fail "ACME_EMAIL is set: PUBLIC_URL must be the https address that the certificate is for" ;;
  esac
}

# compose.yaml derives Docker's grace periods and ports from them, and cannot say what is wrong.
refuse_wrong_numbers() {
  refuse_wrong_number DRAIN_SECONDS 3600 "whole seconds"
  refuse_wrong_number HTTP_PORT 65535 "a port"
  refuse_wrong_number HTTPS_PORT 65535 "a port"
  refuse_wrong_number WEB_REPLICAS 9999 "a whole number"
  refuse_wrong_number ARCHIVE_DAYS 9999 "whole days"
}

# refuse_wrong_number NAME MOST WHAT: NAME is unset or WHAT from 1 to MOST.
refuse_wrong_number() {
  local value
  value=$(set_value "$1")
  [ -n "$value" ] || return 0
  [[ $value =~ ^[1-9][0-9]{0,4}$ && $value -le $2 ]] || fail "$1 must be $3 from 1 to $2, not '$value'"
}

# The stack answers to PUBLIC_URL, and by default to this machine's own names only.
refuse_wrong_bind() {
  local bind
  bind=$(set_value HTTP_BIND)
  case $bind in
    '' | 127.0.0.1 | 0.0.0.0 | '[::]' | '[::1]') return ;;
    \[*\]) ;;
    *:*) fail "HTTP_BIND is '$bind': an IPv6 address stands in brackets, [$bind]" ;;
  esac
  [ -n "$(set_value PUBLIC_URL)" ] || fail "HTTP_BIND is '$bind' and PUBLIC_URL is not set: set it to the address people open"
}

# Published images are pulled (IMAGE_PREFIX); else they are built from this checkout.
build() {
  local image images=(web nginx)
  make_sources_readable
  if keeps_archive; then images+=(postgres); fi
  if uses_acme; then images+=(acme); fi
  if [ -n "$(set_value IMAGE_PREFIX)" ]; then
    warn_of_another_release
    say "Pulling the images of $(set_value IMAGE_PREFIX)."
    seconds=1200 compose pull "${images[@]}" >&2 || fail "the images could not be pulled: are IMAGE_PREFIX and IMAGE_TAG those of a release?"
    return
  fi
  say "Building the images; the first time takes minutes."
  IMAGE_REVISION=${IMAGE_REVISION:-$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)}
  export IMAGE_REVISION
  # One after the other: side by side, each would build the stages they share.
  for image in "${images[@]}"; do
    seconds=1200 compose build "$image" >&2 || fail "the image of $image could not be built: see above"
  done
}

# make_sources_readable: undo what a umask such as 077 did to a fresh clone. Files keep their rights in images and mounts, and containers run
# as users of their own, who could read none of them. .env and var stay as they are.
make_sources_readable() {
  local folders=() one hidden
  for one in app docker monitoring nginx requirements scripts; do
    if [ -d "$root/$one" ]; then folders+=("$root/$one"); fi
  done
  hidden=$(find "${folders[@]}" ! -type l \( ! -perm -o=r -o -type d ! -perm -o=x -o -perm -u=x ! -perm -o=x \) -print) || true
  if [ -z "$hidden" ]; then return; fi
  chmod -R a+rX "${folders[@]}" || fail "containers could not read these sources: chmod -R a+rX app docker monitoring nginx requirements scripts"
  say "Made the sources readable for the containers, which run as users of their own."
}

# A checkout of another release changes no published image, and its compose files and scripts may not fit.
warn_of_another_release() {
  local release tag
  tag=$(set_value IMAGE_TAG)
  release=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/pyproject.toml" 2>/dev/null || true)
  if [ -n "$release" ] && [ "$tag" != "$release" ]; then say "IMAGE_TAG is '$tag', and this checkout is of release $release: the tag decides what runs."; fi
}

# The app's own words for a misspelt, renamed or wrong setting: compose hands it only the names it knows. compose reads the file.
check_settings() {
  local status=0 file='services: {settings: {image: none, env_file: [.env]}}'
  [ -f "$env_file" ] || return 0
  docker compose --project-name settings --project-directory "$root" --file - config --format json <<<"$file" |
    seconds=60 compose run --rm --no-deps --no-TTY --entrypoint python web -m config.check_env >&2 || status=$?
  # Anything else that is wrong, `start` meets too and says better.
  [ $status -ne 3 ] || fail "correct .env, then try again"
}

# ready_archive: make pgBackRest's stanza, or bring it to this database. It takes the log of one system identifier alone, and a new
# volume or another major version has another. Postgres keeps all log that is not taken, until the disk is full.
ready_archive() {
  keeps_archive || return 0
  # Only where it is needed: while a backup is under way, the stanza is locked.
  compose exec -T postgres sh -s <<'SH'
set -eu
identifier=$(psql -U postgres -d postgres -Atc 'SELECT system_identifier FROM pg_control_system()')
known=$(pgbackrest --output=json info | grep -o '"system-id":[0-9]*' | tail -n 1)
if [ "$known" = "\"system-id\":$identifier" ]; then exit; fi
if [ -n "$known" ]; then pgbackrest stanza-upgrade; else pgbackrest stanza-create; fi
# After a failure Postgres waits for a minute; this makes it try again at once.
pgbackrest check
echo "The archive takes the log of this database from now on, and has no backup of it yet: make archive ARGS=--full" >&2
SH
}

# Notes that a rewind has begun, and clients may hold events that the database does not have: from before its files change to the new epoch.
epoch_due=$root/var/epoch-due

# replace_epoch_if_due: have clients start anew after a rewind, also after one that was interrupted. Postgres runs, web does not.
replace_epoch_if_due() {
  [ -e "$epoch_due" ] || return 0
  compose run --rm --no-deps -T migrate python app/manage.py installation --new-epoch </dev/null >/dev/null ||
    fail "a rewind has not ended, and the stack stays stopped: mend what is above, then make up, or say the rewind again"
  rm -f "$epoch_due"
}

# From nginx's port through the app to the database, as the first visitor would.
ask_whole_path() {
  local url=http://127.0.0.1:8080/readyz deadline=$((SECONDS + 60))
  if uses_tls; then url=https://127.0.0.1:8443/readyz; fi
  until compose exec -T nginx curl --fail --silent --insecure --max-time 5 --output /dev/null "$url" </dev/null 2>/dev/null; do
    [ $SECONDS -lt $deadline ] || show_why "nginx does not reach a ready server"
    sleep 1
  done
}

show_why() {
  say ""
  compose --ansi never ps --all >&2 || true
  # Some releases of compose clear the line before each, on no terminal too.
  compose --ansi never logs --no-color --tail 20 postgres migrate web nginx | sed $'s/\033\\[2K//' >&2 || true
  fail "$1: see above; \`scripts/compose logs\` has all of it"
}
