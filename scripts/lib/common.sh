# shellcheck shell=bash
# Sourced by the scripts beside it: the checkout's path, messages, exits.
# The sourcing script has set -euo pipefail already.

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
venv=$root/.venv
# shellcheck disable=SC2034  # used by the scripts that source this
python=$venv/bin/python

say() {
  echo "$*" >&2
}

fail() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# print_help ARGUMENT...: for --help print the comment at the script's head, and exit.
print_help() {
  case ${1:-} in
    --help | -h) awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0" && exit ;;
  esac
}

# refuse_arguments ARGUMENT...: `scripts/down web` must not stop everything.
refuse_arguments() {
  [ $# = 0 ] || fail "unknown argument '$1': see --help"
}

# sign_up_line ADDRESS SIGNUP_OPEN: a newcomer's first step at ADDRESS.
sign_up_line() {
  case $(printf '%s' "${2:-true}" | tr '[:upper:]' '[:lower:]') in
    1 | true | yes | on) echo "New here? Sign up at $1/accounts/sign-up/" ;;
    *) echo "Sign-up is closed (SIGNUP_OPEN): \`manage.py createsuperuser\` makes an administrator; docs/deploy.md says more" ;;
  esac
}

# server_python: print the name of a Python that can roll the stack; a server beside Docker may have an old one.
server_python() {
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

is_root() {
  [ "$(id -u)" = 0 ]
}

export DEBIAN_FRONTEND=noninteractive

# install_packages PACKAGE...: install Debian packages without a question; only root may call it.
# Their services are not started: a system-wide Postgres or nginx is not wanted.
install_packages() {
  local policy=/usr/sbin/policy-rc.d made=no status=0 output
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && made=yes
  fi
  output=$({ apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"; } 2>&1 </dev/null) || status=$?
  if [ $made = yes ]; then rm -f $policy; fi
  if [ $status != 0 ]; then say "apt-get could not install $*:"$'\n'"$output"; fi
  return $status
}

# use_node: put a Node that can build the front end first on the PATH; scripts/setup has installed it.
use_node() {
  if [ -x "$venv/node/bin/node" ]; then PATH=$venv/node/bin:$PATH; fi
}

# need PROGRAM PACKAGE: ensure a program exists; root installs Debian's package, other users see its name.
need() {
  PATH=$PATH:/usr/sbin:/sbin # daemons live there, off the PATH of people
  if command -v "$1" >/dev/null; then return; fi
  if is_root && command -v apt-get >/dev/null && install_packages "$2"; then return; fi
  say "$1 is not installed: apt-get install $2"
  return 1
}
