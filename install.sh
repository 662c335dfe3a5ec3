#!/usr/bin/env bash
# Install Hubbub on this server: look at the server, ask two questions, start the stack, make an administrator, call the doctor.
# Safe to repeat. `./install.sh --help` lists the options.
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/scripts/lib/common.sh"
# shellcheck source=scripts/lib/stack.sh
. "$root/scripts/lib/stack.sh"

usage() {
  cat <<'TEXT'
Usage: ./install.sh [--address URL] [--admin NAME] [--password-file FILE] [--certificate FILE --key FILE | --acme EMAIL] [--dry-run]
       ./install.sh --uninstall [--delete-data] [--dry-run]

  --address URL         where people open it, such as https://chat.example.com. Asked for when missing; http://127.0.0.1:8080 is for
                        this machine alone
  --admin NAME          the administrator's account. Asked for when missing
  --password-file FILE  holds the administrator's password. Without it one is made and shown once
  --certificate, --key  PEM files for an https address. Without them, or --acme, another server in front has to speak TLS
  --acme EMAIL          orders a certificate for the address from Let's Encrypt, whose terms you agree to, and renews it; EMAIL is for
                        its notices. Ports 80 and 443 of the address must lead here. The doctor waits up to five minutes for it
  --dry-run             looks at the server and says what would be done; changes nothing
  --uninstall           stops the stack and keeps data and .env; with --delete-data those go, too, for good. Backups stay

Exit codes: 0 done; 1 not done, with the reason; 2 wrong options; 3 installed, but the doctor finds something wrong
TEXT
}

# What describes the machine; tests replace it.
: "${MEMINFO:=/proc/meminfo}" "${CPUS:=$(nproc)}"
# One order may take so long (docker/acme/companion.py), or one that is refused at once and the next try.
: "${CERTIFICATE_S:=300}"
least_mb=1800 usual_mb=3500 least_disk_mb=6000

address='' admin='' password='' password_file='' certificate='' key='' acme='' dry='' uninstall='' delete='' kept='' first=''
warnings=0

main() {
  read_options "$@"
  cd "$root"
  if [ -n "$uninstall" ]; then
    step "Uninstall"
    remove
    return
  fi
  step "Look at the server"
  look_at_size
  look_at_programs
  step "Questions"
  ask
  check_address
  look_at_ports
  step "Settings"
  write_settings
  step "Start"
  run scripts/up ${first:+--administrator "$admin"}
  step "Administrator"
  make_administrator
  wait_for_certificate
  step "Doctor"
  call_doctor
}

step() {
  say "== $1"
}

warn() {
  warnings=$((warnings + 1))
  say "warning: $1"
}

# run COMMAND...: run it, or say it.
run() {
  if [ -n "$dry" ]; then say "would run: $*"; else "$@"; fi
}

wrong_option() {
  say "install.sh: $1; --help lists the options"
  exit 2
}

read_options() {
  while [ $# -gt 0 ]; do
    case $1 in
      --address | --admin | --password-file | --certificate | --key | --acme)
        # Not the next option: `--admin --dry-run` would install.
        case ${2:-} in '' | -*) wrong_option "$1 needs a value" ;; esac
        local name=${1#--}
        printf -v "${name//-/_}" %s "$2"
        shift
        ;;
      --dry-run) dry=yes ;;
      --uninstall) uninstall=yes ;;
      --delete-data) delete=yes ;;
      --help | -h) usage && exit ;;
      *) wrong_option "there is no option $1" ;;
    esac
    shift
  done
  if [ -n "$delete" ] && [ -z "$uninstall" ]; then wrong_option "--delete-data goes with --uninstall"; fi
  if [ -n "$certificate$key" ] && { [ -z "$certificate" ] || [ -z "$key" ]; }; then wrong_option "--certificate and --key go together"; fi
  if [ -n "$certificate" ] && [ -n "$acme" ]; then wrong_option "--acme orders a certificate: give it, or --certificate and --key"; fi
  local file
  for file in "$password_file" "$certificate" "$key"; do
    [ -z "$file" ] || [ -r "$file" ] || wrong_option "there is no file $file that can be read"
  done
  # As given in the calling folder; the rest is done in the checkout.
  if [ -n "$certificate" ]; then certificate=$(realpath "$certificate") key=$(realpath "$key"); fi
  if [ -n "$password_file" ]; then
    password=$(password_of "$password_file")
    [ -z "$(not_utf8 <<<"password=$password")" ] || wrong_option "the password in $password_file is not UTF-8"
    [ ${#password} -ge 8 ] || wrong_option "the password in $password_file has fewer than 8 characters"
  fi
}

# The first line, also of a file from Windows: nobody types its carriage return, nor the mark that begins it.
password_of() {
  local line
  line=$(head -n 1 "$1" | tr -d '\r')
  printf '%s' "${line#$'\xef\xbb\xbf'}"
}

look_at_programs() {
  [ "$(uname -s)" = Linux ] || fail "this is $(uname -s): the stack is installed on Linux. \`make run\` serves from a checkout elsewhere"
  local program
  for program in base64 sed; do command -v "$program" >/dev/null || fail "$program is not installed"; done
  if ! command -v docker >/dev/null; then
    fail "docker is not installed. On Debian and Ubuntu: apt-get install docker.io docker-compose-v2 (or docker-compose-plugin); other systems: Docker's own pages"
  fi
  need_docker
  # Images and volumes are there, perhaps on another disk.
  local docker_root
  docker_root=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null || true)
  if [ -d "$docker_root" ]; then look_at_disk "$docker_root"; fi
  server_python >/dev/null || warn "no Python 3.9 or newer: upgrades without an outage (scripts/roll) need it. On Debian and Ubuntu: apt-get install python3"
}

look_at_size() {
  local memory
  memory=$(awk '/^MemTotal:/ { print int($2 / 1024) }' "$MEMINFO")
  [ "$memory" -ge $least_mb ] || fail "this server has $memory MB of memory: the stack needs $least_mb MB, better $usual_mb"
  [ "$memory" -ge $usual_mb ] || warn "$memory MB of memory are few: $usual_mb MB are usual"
  [ "$CPUS" -ge 2 ] || warn "one CPU works, slowly: two are usual"
  say "$memory MB of memory, $CPUS CPUs"
  look_at_disk "$root"
}

look_at_disk() {
  local disk
  disk=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
  [ "$disk" -ge $least_disk_mb ] || fail "$1 has $disk MB free: images and data need $least_disk_mb MB"
  say "$disk MB free for $1"
}

# The answers of an earlier run stand in .env; options change them. Without such an option the file stays as its operator has it.
ask() {
  if [ -e "$env_file" ]; then
    read_settings
    if [ -z "$address$certificate$acme" ]; then kept=$(set_value PUBLIC_URL); fi
    address=${address:-$(set_value PUBLIC_URL)}
    # A run before this one may have ended before its start. With data there may be an administrator of older rules.
    [ -n "$(recorded_checkouts)$(our_containers 2>/dev/null)" ] || first=yes
  else
    first=yes
  fi
  if [ -z "$address" ]; then question address "Where will people open it?" http://127.0.0.1:8080; fi
  if [ -z "$admin" ]; then question admin "Name of the administrator?" admin; fi
  if [ -n "$first" ]; then check_admin; fi
}

# What the app refuses of plain letters, before minutes of building; scripts/up asks the app itself about the rest.
check_admin() {
  local LC_ALL=C
  [[ $admin =~ ^[[:space:]]*[A-Za-z0-9@.+_-]{1,64}[[:space:]]*$ || $admin == *[$'\x80'-$'\xff']* ]] ||
    wrong_option "'$admin' is no name for the administrator: up to 64 letters, digits and @ . + - _ without spaces"
}

question() {
  local answer
  [ -t 0 ] || wrong_option "cannot ask without a terminal: give --$1"
  read -rp "$2 [$3] " answer
  printf -v "$1" %s "${answer:-$3}"
}

check_address() {
  [[ $address =~ ^https?://[^/?#@[:space:]]+/?$ ]] || fail "$address is no address of the form https://chat.example.com"
  address=${address%/}
  local host=${address#*://} standard=80
  scheme=${address%%:*}
  if [ "$scheme" = https ]; then standard=443; fi
  case $host in
    \[*\]:* | [!\[]*:*) port=${host##*:} ;;
    *) port=$standard ;;
  esac
  [[ $port =~ ^[1-9][0-9]{0,4}$ && $port -le 65535 ]] || fail "$port in $address is no port"
  case $host in
    127.* | localhost | localhost:*) bind=127.0.0.1 ;;
    \[::1\]*) bind='[::1]' ;;
    *) bind=0.0.0.0 ;;
  esac
  if [ -n "$acme" ]; then
    [ "$scheme" = https ] || fail "--acme is for an https address, not $address"
    # What an authority gives certificates for: no address of digits, no name of one word.
    [[ ${host%:*} =~ ^([A-Za-z0-9-]+\.)+[A-Za-z][A-Za-z0-9-]*$ ]] || fail "--acme needs a public name such as chat.example.com (xn--… for other letters), not ${host%:*}"
  fi
  if [ "$scheme" = https ] && [ -z "$certificate$acme$kept" ] && { [ ! -e "$env_file" ] || ! uses_tls; }; then
    # Another server speaks TLS, on this machine.
    bind=127.0.0.1 port=8080 behind=yes
    say "Without a certificate, Hubbub listens on http://127.0.0.1:8080 for a server in front of it that speaks TLS (docs/deploy.md)."
  fi
}

look_at_ports() {
  # scripts/up looks at those of .env.
  if [ -n "$kept" ]; then return; fi
  # By Docker's labels: compose reads its files only when scripts/up has written the secrets.
  local one labels=(--filter "label=com.docker.compose.project.working_dir=$root" --filter label=com.docker.compose.service=nginx)
  if [ -n "$(docker ps --quiet "${labels[@]}" 2>/dev/null)" ]; then return; fi
  for one in $(ports); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$one") 2>/dev/null; then fail "port $one is in use: stop what listens there, or choose another address"; fi
  done
}

ports() {
  echo "$port"
  if [ -n "$certificate$acme" ]; then echo 80; fi
}

write_settings() {
  [ -n "$dry" ] || one_at_a_time
  if [ -n "$kept" ]; then
    say "The address stays $kept, and .env as it is."
    return
  fi
  if [ ! -e "$env_file" ]; then run scripts/up --env; fi
  local lines=("PUBLIC_URL=$address" "HTTP_BIND=$bind")
  # Where the certificate came from before is turned off: the stack takes one way only.
  if [ -n "$certificate" ]; then
    lines+=("TLS_CERTIFICATE=$certificate" "TLS_KEY=$key" "HTTPS_PORT=$port" HTTP_PORT=80)
    turn_off ACME_EMAIL
  elif [ -n "$acme" ]; then
    lines+=("ACME_EMAIL=$acme" "HTTPS_PORT=$port" HTTP_PORT=80)
    turn_off TLS_CERTIFICATE TLS_KEY
  elif [ "$scheme" = http ]; then
    lines+=("HTTP_PORT=$port")
    turn_off ACME_EMAIL TLS_CERTIFICATE TLS_KEY
  elif [ -n "${behind:-}" ]; then
    lines+=("HTTP_PORT=$port")
  else
    lines+=("HTTPS_PORT=$port")
  fi
  if [ -z "$dry" ]; then
    set_lines "${lines[@]}"
  else
    printf 'would set: %s\n' "${lines[@]}" >&2
  fi
}

# turn_off NAME...: add an empty line for each that has a value.
turn_off() {
  local name
  [ -e "$env_file" ] || return 0
  read_settings
  for name; do
    if [ -n "$(set_value "$name")" ]; then lines+=("$name="); fi
  done
}

make_administrator() {
  local known made=''
  if [ -n "$dry" ]; then
    say "would make the administrator $admin, unless there is one"
    return
  fi
  read_settings
  if known=$(compose exec -T web python app/manage.py account "$admin" </dev/null 2>/dev/null); then
    case $known in
      *"is an administrator"*) say "$admin is there already, and keeps the password" ;;
      *) fail "$admin is the account of somebody who is no administrator: choose another name with --admin" ;;
    esac
    return
  fi
  if [ -z "$password" ]; then password=$(random_text | head -c 24) made=yes; fi
  # Through standard input: a command line can be read by everybody on this machine.
  # shellcheck disable=SC2016  # the container's own
  printf '%s\n' "$password" | compose exec -T web sh -c \
    'read -r DJANGO_SUPERUSER_PASSWORD && export DJANGO_SUPERUSER_PASSWORD && exec python app/manage.py createsuperuser --no-input --email "" --username "$1"' sh "$admin" ||
    fail "the administrator $admin could not be made: see above"
  if [ -n "$made" ]; then say "The password of $admin, shown this once: $password"; fi
}

# The doctor would call the certificate wrong that nginx has until the first one is there.
wait_for_certificate() {
  if [ -n "$dry" ]; then
    if [ -n "$acme" ]; then say "would wait up to $CERTIFICATE_S s for the first certificate"; fi
    return
  fi
  uses_acme || return 0
  step "Certificate"
  local name=${address#*://} deadline=$((SECONDS + CERTIFICATE_S)) reason
  name=${name%:*}
  say "Waiting up to $CERTIFICATE_S s until nginx has the certificate for $name"
  until has_certificate "$name"; do
    if [ $SECONDS -ge $deadline ]; then
      reason=$(seconds=30 compose logs --no-log-prefix --tail=50 acme 2>/dev/null </dev/null | grep -F 'error:' | tail -n 1 || true)
      warn "no certificate for $name came within $CERTIFICATE_S s. The authority must reach http://$name/ on port 80. The order is tried again by itself; \`scripts/compose logs acme\` says when, and docs/runbooks/certificate.md what to do"
      [ -z "$reason" ] || say "$reason"
      return 0
    fi
    sleep 2
  done
  # nginx renders its configuration before it reloads.
  sleep 2
}

# has_certificate NAME: whether nginx has the newest pair in its configuration, and that was ordered for the name.
has_certificate() {
  # shellcheck disable=SC2016  # the container's own
  seconds=30 compose exec -T nginx sh -c \
    'pair=$(readlink -f "$ACME_CERTIFICATES/live") && grep -qiF "\"$1\"" "$pair/order.json" && grep -qrF "$pair/certificate.pem" "${NGINX_TEMP:-/tmp}/nginx"' \
    sh "$1" </dev/null >/dev/null 2>&1
}

call_doctor() {
  local status=0
  run scripts/doctor || status=3
  if [ -n "$dry" ]; then
    say "Nothing was changed."
  else
    say "Hubbub is at $address. Keep a copy of .env elsewhere; \`make backup\` takes it along, and docs/deploy.md has the nightly timer."
  fi
  [ $warnings = 0 ] || say "$warnings warnings: see above"
  exit $status
}

remove() {
  if [ -z "$delete" ]; then
    run scripts/down
    say "Data and .env are kept: ./install.sh brings it back; --uninstall --delete-data removes them."
    return
  fi
  run scripts/clean --yes
  run rm -rf "$env_file" "$root/.env" "$secrets_directory"
  say "Backups are not touched: var/backups, or BACKUP_DIR. They hold messages and secrets."
}

main "$@"
