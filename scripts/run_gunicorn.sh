#!/usr/bin/env bash
# Start the web server: work out how many workers this machine can carry, then become Gunicorn.
# Runs with bash 3.2 and coreutils alone, so that it works on macOS and in slim images.
set -euo pipefail

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Where the kernel tells about us; tests point these at made-up trees.
: "${CGROUP_ROOT:=/sys/fs/cgroup}" "${PROC_ROOT:=/proc}" "${SHM_ROOT:=/dev/shm}"

usage() {
  cat <<'TEXT'
Usage: scripts/run_gunicorn.sh [--print | --help]

Starts Gunicorn with one worker for each whole CPU core this process may really use. That is the smaller of
  - the cores it is allowed on (affinity: taskset, cpusets), and
  - its CPU quota (cgroup v2 cpu.max or v1 cpu.cfs_quota_us; of nested groups the tightest), rounded down, at least 1.
Rounded down, because a worker is one event loop and a loop without a core of its own stalls for the rest of each
quota period, which every socket on it feels. The count is bounded by memory (the cgroup's limit or the machine's,
divided by WORKER_MEMORY_MB) and by WEB_CONCURRENCY_MAX. Without REDIS_URL it is 1: workers could not meet.

  --print  show what was found, which rule decided and the command, without running it
  --help   this text

Variables (defaults)
  WEB_CONCURRENCY (derived)  number of workers; stands above every rule, needs REDIS_URL when above 1
  WEB_CONCURRENCY_MAX (16)   upper bound of the derived number
  WORKER_MEMORY_MB (256)     MiB set aside for a worker when memory bounds the number
  WORKER_MEMORY_MAX_MB (derived)  MiB above which a worker hands over to a fresh one; 0: never. Derived: the memory
                             less WORKER_MEMORY_MB for the successor, shared by the workers, at most 2048
  HOST (127.0.0.1), PORT (8000)
  DRAIN_SECONDS (25)         time a stopping worker has to hand over its sockets
  TRUSTED_PROXIES (127.0.0.1)  comma separated addresses and networks whose X-Forwarded-* headers are believed
  LOG_LEVEL (info)           debug, info, warning or error
  PROMETHEUS_MULTIPROC_DIR   where workers share metrics; unset: a fresh private directory; set: emptied first
TEXT
}

main() {
  read_arguments "$@"
  read_settings
  count_cores
  count_memory
  decide_workers
  decide_ceiling
  build_command
  if [ "$action" = print ]; then
    print_facts
    exit 0
  fi
  make_metrics_directory
  allow_many_sockets
  # glibc gives every thread an arena of its own: 120 sign-ups took a worker from 84 to 287 MiB, with two arenas to 152.
  export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-2}"
  export WORKER_MEMORY_MAX_MB=$ceiling
  export PYTHONPATH="$root/app${PYTHONPATH:+:$PYTHONPATH}" DJANGO_SETTINGS_MODULE="${DJANGO_SETTINGS_MODULE:-config.settings}" HOST="$host" PORT="$port"
  exec "${command[@]}"
}

fail() {
  echo "run_gunicorn: $*" >&2
  exit 2
}

read_arguments() {
  action=run
  case "${1:-}" in
    '') ;;
    --print) action=print ;;
    --help | -h) usage && exit 0 ;;
    *) usage >&2 && fail "unknown argument $1" ;;
  esac
  [ $# -le 1 ] || fail "takes one argument at most, got $#"
}

# --- settings -----------------------------------------------------------------------------------------------------

read_settings() {
  host=${HOST:-127.0.0.1}
  port=$(whole_number PORT "${PORT:-8000}" 65535)
  drain=$(whole_number DRAIN_SECONDS "${DRAIN_SECONDS:-25}" 3600)
  worker_memory=$(whole_number WORKER_MEMORY_MB "${WORKER_MEMORY_MB:-256}" 1048576)
  ceiling=${WORKER_MEMORY_MAX_MB:-}
  if [ -n "$ceiling" ] && [ "$ceiling" != 0 ]; then ceiling=$(whole_number WORKER_MEMORY_MAX_MB "$ceiling" 1048576); fi
  most=$(whole_number WEB_CONCURRENCY_MAX "${WEB_CONCURRENCY_MAX:-16}" 9999)
  asked=
  if [ -n "${WEB_CONCURRENCY:-}" ]; then asked=$(whole_number WEB_CONCURRENCY "$WEB_CONCURRENCY" 9999); fi
  proxies=${TRUSTED_PROXIES-127.0.0.1} # set but empty: believe nobody
  log_level=${LOG_LEVEL:-info}
  shared_layer=no
  if [ -n "${REDIS_URL:-}${REDIS_URL_FILE:-}" ]; then shared_layer=yes; fi
}

# whole_number NAME VALUE MOST: print VALUE when it is an integer from 1 to MOST.
whole_number() {
  if ! [[ $2 =~ ^[1-9][0-9]{0,6}$ ]] || [ "$2" -gt "$3" ]; then
    fail "$1 must be a positive integer, at most $3; it is '$2'"
  fi
  echo "$2"
}

# --- what the kernel allows ---------------------------------------------------------------------------------------

count_cores() {
  affinity=$(cores_allowed)
  quota=$(tightest_quota) # thousandths of a core; empty without a quota
}

# nproc follows the affinity mask, but would follow OpenMP's variables first.
cores_allowed() {
  if command -v nproc >/dev/null; then
    env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc
  else
    sysctl -n hw.ncpu
  fi
}

# The smallest quota on the way from our own cgroup to the root: any of them can stop us.
tightest_quota() {
  local directory
  {
    while read -r directory; do quota_v2 "$directory"; done < <(groups_of "")
    while read -r directory; do quota_v1 "$directory"; done < <(groups_of cpu)
  } | smallest
}

quota_v2() {
  local allowed='' period=''
  [ ! -r "$1/cpu.max" ] || read -r allowed period <"$1/cpu.max" || true
  thousandths "$allowed" "$period"
}

quota_v1() {
  thousandths "$(first_line "$1/cpu.cfs_quota_us")" "$(first_line "$1/cpu.cfs_period_us")"
}

# thousandths QUOTA PERIOD: cores × 1000, nothing for "max", -1 or what is no number.
thousandths() {
  if [[ $1 =~ ^[1-9][0-9]*$ && $2 =~ ^[1-9][0-9]*$ ]]; then echo $(($1 * 1000 / $2)); fi
}

count_memory() {
  memory=$( # MiB
    {
      while read -r directory; do mebibytes "$(first_line "$directory/memory.max")"; done < <(groups_of "")
      while read -r directory; do mebibytes "$(first_line "$directory/memory.limit_in_bytes")"; done < <(groups_of memory)
      machine_memory
    } | smallest
  )
}

machine_memory() {
  local name kib rest
  if [ -r "$PROC_ROOT/meminfo" ]; then
    while read -r name kib rest; do
      if [ "$name" = MemTotal: ]; then echo $((kib / 1024)); fi
    done <"$PROC_ROOT/meminfo"
  elif command -v sysctl >/dev/null; then
    mebibytes "$(sysctl -n hw.memsize 2>/dev/null || true)"
  fi
}

mebibytes() {
  if [[ $1 =~ ^[1-9][0-9]*$ ]]; then echo $(($1 / 1048576)); fi
}

# groups_of CONTROLLER: our cgroup's directory and those above it, one a line; "" means cgroup v2.
groups_of() {
  local mount path
  mount=$CGROUP_ROOT${1:+/$1}
  [ -d "$mount" ] || return 0
  path=$(own_group "$1")
  # A container often sees its own group as the mount's root, while /proc still tells the path outside.
  case "$path/" in */../*) path='' ;; esac
  [ -d "$mount$path" ] || path=''
  while [ -n "$path" ]; do
    echo "$mount$path"
    path=${path%/*}
  done
  echo "$mount"
}

# own_group CONTROLLER: the path in /proc/self/cgroup (lines are number:controllers:path), without a slash at its end.
own_group() {
  local controllers path _number
  [ -r "$PROC_ROOT/self/cgroup" ] || return 0
  while IFS=: read -r _number controllers path; do
    case ",$controllers," in
      ",$1,") echo "${path%/}" && return ;;
      *",$1,"*) [ -z "$1" ] || { echo "${path%/}" && return; } ;;
    esac
  done <"$PROC_ROOT/self/cgroup"
}

first_line() {
  local line=''
  [ ! -r "$1" ] || read -r line <"$1" || true
  echo "$line"
}

smallest() {
  local value least=''
  while read -r value; do
    if [ -z "$least" ] || [ "$value" -lt "$least" ]; then least=$value; fi
  done
  echo "$least"
}

# --- the decision -------------------------------------------------------------------------------------------------

decide_workers() {
  workers=$affinity
  rule='cores by affinity'
  if [ -n "$quota" ]; then bound "$(at_least_1 $((quota / 1000)))" 'CPU quota, rounded down'; fi
  if [ -n "$memory" ]; then bound "$(at_least_1 $((memory / worker_memory)))" 'memory / WORKER_MEMORY_MB'; fi
  bound "$most" WEB_CONCURRENCY_MAX
  if [ "$shared_layer" = no ]; then bound 1 'no REDIS_URL: one worker only'; fi
  if [ -z "$asked" ]; then return; fi
  if [ "$asked" -gt 1 ] && [ "$shared_layer" = no ]; then
    fail "WEB_CONCURRENCY=$asked needs REDIS_URL: without a shared layer people on different workers would not see each other"
  fi
  workers=$asked
  rule=WEB_CONCURRENCY
}

# bound MOST RULE: lower the number of workers to MOST and remember why.
bound() {
  if [ "$workers" -gt "$1" ]; then
    workers=$1
    rule=$2
  fi
}

at_least_1() {
  if [ "$1" -lt 1 ]; then echo 1; else echo "$1"; fi
}

# The kernel must not be first: all workers at their ceiling and one successor fit into the memory there is. Above 2 GiB,
# some 50,000 sockets, a worker leaks. Where a share is not even half a worker, there is nothing to watch.
decide_ceiling() {
  if [ -n "$ceiling" ]; then return; fi
  ceiling=2048
  if [ -z "$memory" ]; then return; fi
  local share=$(((memory - worker_memory) / workers))
  if [ "$share" -lt $((worker_memory / 2)) ]; then share=0; fi
  if [ "$share" -lt "$ceiling" ]; then ceiling=$share; fi
}

# --- the command --------------------------------------------------------------------------------------------------

build_command() {
  command=(
    "$(interpreter)" -m gunicorn config.asgi:application
    --config "$root/app/server/gunicorn_conf.py"
    --chdir "$root/app"
    --worker-class server.worker.HubbubWorker
    --workers "$workers"
    --bind "$(address)"
    --graceful-timeout "$drain"
    --timeout 30      # a loop silent for that long is stuck: its sockets are better off elsewhere
    --keep-alive 75   # longer than a proxy keeps an idle connection, so that the proxy closes first
    --max-requests 0  # recycling a worker drops all its sockets; it counts HTTP requests only anyway
    --forwarded-allow-ips "$proxies"
    --no-control-socket # would be made under $HOME, which may be read-only
    --log-level "$log_level"
  )
  # No --access-logfile: the proxy in front keeps the access log, and request lines here carry tokens in their query.
  if writable_directory "$SHM_ROOT"; then command+=(--worker-tmp-dir "$SHM_ROOT"); fi # heartbeats must not wait for a disk
}

interpreter() {
  if [ -x "$root/.venv/bin/python" ]; then echo "$root/.venv/bin/python"; else echo python3; fi
}

address() {
  case $host in
    \[*) echo "$host:$port" ;;
    *:*) echo "[$host]:$port" ;; # IPv6
    *) echo "$host:$port" ;;
  esac
}

writable_directory() {
  [ -d "$1" ] && [ -w "$1" ]
}

# Each run needs an empty directory: counters of the run before would be added to this one's.
make_metrics_directory() {
  if [ -n "${PROMETHEUS_MULTIPROC_DIR:-}" ]; then
    mkdir -p "$PROMETHEUS_MULTIPROC_DIR"
    rm -f "$PROMETHEUS_MULTIPROC_DIR"/*.db
  else
    PROMETHEUS_MULTIPROC_DIR=$(mktemp -d "$(metrics_parent)/hubbub-metrics.XXXXXX")
  fi
  export PROMETHEUS_MULTIPROC_DIR
}

metrics_parent() {
  if writable_directory "$SHM_ROOT"; then echo "$SHM_ROOT"; else echo "${TMPDIR:-/tmp}"; fi
}

# Each socket is an open file, and the usual soft limit is 1024; the hard one is what the administrator allows.
allow_many_sockets() {
  local most
  most=$(ulimit -H -n)
  ulimit -S -n "$most" 2>/dev/null || echo "run_gunicorn: open files stay at $(ulimit -S -n); the hard limit is $most" >&2
}

print_facts() {
  echo "cores by affinity: $affinity"
  echo "CPU quota: $(shown_quota)"
  echo "memory: ${memory:-unknown}${memory:+ MiB}"
  echo "workers: $workers"
  echo "decided by: $rule"
  echo "memory ceiling of a worker: $(shown_ceiling)"
  echo "metrics directory: ${PROMETHEUS_MULTIPROC_DIR:-a fresh one in $(metrics_parent)}"
  printf 'command:'
  printf ' %q' "${command[@]}"
  echo
}

shown_ceiling() {
  if [ "$ceiling" = 0 ]; then echo none; else echo "$ceiling MiB"; fi
}

shown_quota() {
  if [ -z "$quota" ]; then echo none; else printf '%d.%03d cores\n' $((quota / 1000)) $((quota % 1000)); fi
}

main "$@"
