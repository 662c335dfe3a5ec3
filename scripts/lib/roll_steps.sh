# shellcheck shell=bash
# Sourced for one step of a roll (scripts/roll_stack/engine.py): the code that it shares with up.
# The sourcing shell has set -euo pipefail already.

# shellcheck source=scripts/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/lib/stack.sh
. "$root/scripts/lib/stack.sh"
# shellcheck source=scripts/lib/preflight.sh
. "$root/scripts/lib/preflight.sh"

# The step `look` reads the settings, and later ones have them from the environment; their children do not.
export -n settings

# Print the compose files, one a line, then an empty line and compose's reading of the settings.
look() {
  need_docker
  read_settings
  refuse_foreign_stack
  refuse_wrong_settings
  write_secrets
  # One of an earlier release has no note yet.
  record_checkout
  compose_files | from_root
  printf '\n%s\n' "${settings:?}"
}

build_images() {
  build
  check_settings
}
