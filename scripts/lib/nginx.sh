# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034  # before, after and state are roll's
# Sourced by roll: nginx is replaced, and brought back. While that lasts, the site is down. roll has the lock.

# Only one container can hold the port, so web closes the sockets within a second: they come back to the next one.
replace_nginx() {
  find_versions nginx
  if [ -z "$before" ] && is_running "$after"; then return; fi
  to_the_end swap_nginx || fail "web is done, nginx is not: see above"
}

swap_nginx() {
  local id
  say "Replacing nginx: its port is closed for a moment."
  for id in $before; do docker stop -t 4 "$id" >/dev/null || true; done
  docker start "$after" >/dev/null || true
  if becomes_healthy "$after"; then
    for id in $before; do docker rm --volumes "$id" >/dev/null || true; done
    return 0
  fi
  show_log "$after"
  docker rm --force --volumes "$after" >/dev/null || true
  for id in $before; do
    if docker start "$id" >/dev/null; then
      say "The new nginx does not become healthy; the old one is back."
      return 1
    fi
  done
  say "The new nginx does not become healthy, and the old one does not start: \`make up\` starts one."
  return 1
}

# to_the_end COMMAND: the site is down while it runs, so neither a signal nor the end of this script or its terminal stops
# it half way: it gets a process group of its own. It keeps the lock. A signal is heeded when it is done.
to_the_end() {
  local pid status=0 held=no
  trap 'held=yes; say "Not now: nginx is being replaced." || true' INT TERM HUP
  set -m
  (
    trap '' INT TERM HUP PIPE
    "$@"
  ) </dev/null &
  pid=$!
  set +m
  # A signal ends the wait, not what is waited for.
  while kill -0 "$pid" 2>/dev/null; do wait "$pid" || true; done
  wait "$pid" || status=$?
  trap 'interrupted' INT TERM HUP
  if [ $held = yes ]; then
    if [ $status = 0 ]; then state="all containers were replaced, and nginx runs"; else state="web is done, nginx is not: see above"; fi
    interrupted
  fi
  return $status
}

# Even SIGKILL for all of it, or a machine that goes down, may come while nginx is being replaced. Then whoever is there
# takes the port again, before anything else is done.
bring_nginx_back() {
  local id ids
  ids=$(compose ps --quiet --status running nginx)
  if [ -n "$ids" ]; then return; fi
  ids=$(containers_of nginx)
  for id in $ids; do
    if docker start "$id" >/dev/null 2>&1; then
      say "nginx was not running: started it again."
      return
    fi
  done
  fail "nginx is not running: \`make up\` starts it"
}
