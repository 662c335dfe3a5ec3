# shellcheck shell=bash
# Sourced by stack.sh: the secrets of .env as files for compose's `secrets:`, so that `docker inspect` shows none.

: "${root:?common.sh comes first}"

secrets_directory=$root/var/secrets
# compose.yaml extends its services by this file. Its name is the advice in compose's error where it is missing.
versions_file=$secrets_directory/made-by-make-up.yaml

app_secrets=(SECRET_KEY SECRET_KEY_FALLBACKS DATABASE_URL DATABASE_PASSWORD_FALLBACK REDIS_URL REPLICA_URL EMAIL_URL VAPID_PRIVATE_KEY OTEL_EXPORTER_OTLP_HEADERS)
# Postgres reads its passwords for a new data directory only: it is not replaced by new ones.
postgres_secrets=(POSTGRES_PASSWORD POSTGRES_OWNER_PASSWORD)
version_groups=(app migrate redis archive alerts)

# group_secrets GROUP: print the names of the secrets whose change replaces the containers of GROUP.
group_secrets() {
  case $1 in
    app) echo "${app_secrets[@]}" ;;
    migrate) echo "${app_secrets[@]}" MIGRATE_DATABASE_URL ;;
    redis) echo REDIS_PASSWORD ;;
    archive) echo ARCHIVE_CIPHER_PASS ;;
    alerts) echo ALERTS_URL ;;
  esac
}

# secret_text NAME: print the content of the file NAME; empty if the secret is not set.
secret_text() {
  local value
  case $1 in
    DATABASE_URL) value=postgres://hubbub:$(set_value POSTGRES_PASSWORD)@postgres:5432/hubbub ;;
    # By the role that owns the database, where there is one (scripts/postgres-role); else by the app's.
    MIGRATE_DATABASE_URL)
      value=$(set_value POSTGRES_OWNER_PASSWORD)
      value=${value:+postgres://hubbub_owner:$value@postgres:5432/hubbub}
      ;;
    REDIS_URL) value=redis://:$(set_value REDIS_PASSWORD)@redis:6379/0 ;;
    # pgBackRest reads files of its own form only.
    ARCHIVE_CIPHER_PASS)
      value=$(set_value ARCHIVE_CIPHER_PASS)
      value=${value:+$'[global]\n'repo1-cipher-pass=$value}
      ;;
    *) value=$(set_value "$1") ;;
  esac
  printf '%s' "$value"
}

# write_secrets: bring var/secrets to the settings read. Files of the same content stay as they are. The versions come first: an
# interruption before the last file makes the next run write new versions again.
write_secrets() {
  local name group changed=' '
  make_secrets_directory
  for name in "${app_secrets[@]}" MIGRATE_DATABASE_URL "${postgres_secrets[@]}" REDIS_PASSWORD ARCHIVE_CIPHER_PASS ALERTS_URL; do
    if [ ! -f "$secrets_directory/$name" ] || [ "$(secret_text "$name")" != "$(cat "$secrets_directory/$name")" ]; then changed+="$name "; fi
  done
  if [ "$changed" = ' ' ] && [ -f "$versions_file" ]; then return; fi
  versions "$changed" | replace_file "$versions_file" 600
  # Containers run as users of their own, which have to read the files: the directory keeps everybody else out.
  for name in $changed; do secret_text "$name" | replace_file "$secrets_directory/$name" 444; done
}

# versions CHANGED: print the versions file, with new versions of the groups that have one of the names.
versions() {
  local group name version
  echo "# Written by make up, scripts/roll and the like: what compose compares to see that a secret in .env has another value."
  echo "services:"
  for group in "${version_groups[@]}"; do
    version=$(sed -n "s/^  $group: .*\"\(.*\)\".*/\1/p" "$versions_file" 2>/dev/null || true)
    for name in $(group_secrets "$group"); do
      case $1 in *" $name "*) version='' ;; esac
    done
    echo "  $group: {labels: {hubbub.secrets: \"${version:-$(random_text)}\"}}"
  done
}

# Commands that start nothing, such as `ps` and `down`, need the versions file only.
ensure_versions() {
  if [ -f "$versions_file" ]; then return; fi
  make_secrets_directory
  versions ' ' | replace_file "$versions_file" 600
}

make_secrets_directory() {
  if ! (mkdir -p "$root/var" && umask 077 && mkdir -p "$secrets_directory" && chmod 700 "$secrets_directory") 2>/dev/null; then
    fail "cannot write to $secrets_directory, where compose finds the secrets of .env"
  fi
}

# replace_file FILE MODE: put standard input there at once. Containers keep the file with which they were started.
replace_file() {
  local new
  new=$(umask 077 && mktemp "$1.XXXXXX") || fail "cannot write to $1"
  if ! cat >"$new" || ! chmod "$2" "$new" || ! mv -f "$new" "$1"; then
    rm -f "$new"
    fail "cannot write to $1: it is as it was"
  fi
}
