# shellcheck shell=bash
# Sourced by backup and restore: where backups lie, and whose each one is by its name:
# hubbub-20261130T031500Z-<installation>-<place>.tar.gz. Without the two it is of a release before them; `manage.py backup --into`
# gives no place. app/ops/management/commands/backup.py reads names in the same way, and a test compares them.

: "${root:?common.sh comes first}"

# backup_directory: print the directory of the backups. A relative one lies in the checkout, from wherever a script is called.
backup_directory() {
  absolute "$(chosen BACKUP_DIR var/backups)" "$root"
}

# absolute PATH DIRECTORY: print the path, a relative one as of the directory.
absolute() {
  case $1 in /*) echo "$1" ;; *) echo "$2/${1#./}" ;; esac
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

# backups_in DIRECTORY: print the paths of its backups, newest first. The names begin with their time; other names are no backups.
backups_in() {
  [ -d "$1" ] || return 0
  find "$1" -maxdepth 1 -name 'hubbub-*.tar.gz*' |
    { LC_ALL=C grep -E '/hubbub-[0-9]{8}T[0-9]{6}Z(-[0-9a-f]+)*\.tar\.gz(\.age|\.gpg)?$' || true; } | LC_ALL=C sort -r
}

# own_backups DIRECTORY OWNER: print the backups of this owner, newest first. Nameless ones are among them, unless another owner
# writes here: there is a name of another one, or a nameless backup newer than our first one.
own_backups() {
  local one of before='' others=''
  while IFS= read -r one; do
    of=$(owner_of "$one")
    if [ "$of" = "$2" ]; then
      echo "$one"
      # A nameless one was newer.
      if [ -n "$before" ]; then others=yes; fi
    elif [ -z "$of" ]; then
      before+=$one$'\n'
    else
      others=yes
    fi
  done < <(backups_in "$1")
  if [ -z "$others" ]; then printf '%s' "$before"; fi
}
