# shellcheck shell=bash
# Sourced by backup and restore: where backups lie, and whose each one is by its name:
# hubbub-20261130T031500Z-<installation>-<place>.tar.gz. Without the two it is of a release before them.

: "${root:?common.sh comes first}"

# backup_directory: print the directory of the backups. A relative one lies in the checkout, from wherever a script is called.
backup_directory() {
  local directory
  directory=$(chosen BACKUP_DIR var/backups)
  case $directory in /*) echo "$directory" ;; *) echo "$root/${directory#./}" ;; esac
}

# short_hash: print 8 hexadecimal digits for standard input.
short_hash() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c 1-8
}

# place: print this server and checkout, in short. A copy of an installation elsewhere has the same id.
place() {
  printf '%s\n' "$(uname -n)" "$root" | short_hash
}

# owner_of FILE: print <installation>-<place> of its name; nothing of a release before.
owner_of() {
  local name=${1##*/}
  [[ $name =~ ^hubbub-[0-9TZ]+-([0-9a-f-]+)\.tar\.gz ]] || return 0
  echo "${BASH_REMATCH[1]}"
}

# backups_in DIRECTORY: print the paths of its backups, newest first. The names begin with their time.
backups_in() {
  [ -d "$1" ] || return 0
  find "$1" -maxdepth 1 -name 'hubbub-*.tar.gz*' ! -name '*.part' | LC_ALL=C sort -r
}
