#!/usr/bin/env bash
# Runs the tap and a target once, starting from the state of the last successful load.
#
# Copy the script, add config.json, target.json and optionally catalog.json to the same folder, and set the target below.
set -euo pipefail
umask 077
cd "$(dirname "${BASH_SOURCE[0]}")"
# The loader stores times without a time zone, so the PostgreSQL session's must be UTC, like the tap's times.
export PGTZ="${PGTZ:-UTC}"

tap=(tap-gong-activity --config config.json --state state.json)
if [[ -e catalog.json ]]; then tap+=(--catalog catalog.json); fi
target=(target-postgres --config target.json)

# The tap and the target inherit the lock, so it's held until they've exited, even if only this script is killed.
exec 9> lock
if ! flock --nonblock 9; then
  echo "Another run is still in progress." >&2
  exit 75
fi

if [[ ! -s state.json ]]; then echo '{}' > state.json; fi

# The target prints each state once it has stored the rows before it.
set +e
"${tap[@]}" | "${target[@]}" > confirmed.jsonl
statuses=("${PIPESTATUS[@]}")
set -e

# If only the tap failed, its rows up to the last state were loaded. If the target failed, the state must not move.
if [[ "${statuses[1]}" == 0 ]] && grep --quiet '^{' confirmed.jsonl; then
  if ! { grep '^{' confirmed.jsonl | tail -n 1 > state.next && mv state.next state.json; }; then
    echo "The rows were loaded, but their state couldn't be saved; the next run reads them again." >&2
    exit 1
  fi
fi

if [[ "${statuses[*]}" != "0 0" ]]; then
  echo "The load failed: the tap ended with status ${statuses[0]}, the target with ${statuses[1]}." >&2
  exit 1
fi
