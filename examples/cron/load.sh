#!/usr/bin/env bash
# Runs the tap into a target, once, from the state of the last successful load.
#
# Copy this folder, put config.json, target.json and, if you like, catalog.json beside the script, and set the target.
set -euo pipefail
umask 077
cd "$(dirname "${BASH_SOURCE[0]}")"
# In a PostgreSQL session of another zone, the tap's instants, which are UTC, would be stored as that zone's.
export PGTZ="${PGTZ:-UTC}"

tap=(tap-gong-activity --config config.json --state state.json)
if [[ -e catalog.json ]]; then tap+=(--catalog catalog.json); fi
target=(target-postgres --config target.json)

# The tap and the target inherit the lock, so the next run also waits its turn if only this script was killed.
exec 9> lock
if ! flock --nonblock 9; then
  echo "Another run is still under way." >&2
  exit 75
fi

if [[ ! -s state.json ]]; then echo '{}' > state.json; fi

# What the target prints are the states whose rows it has stored.
set +e
"${tap[@]}" | "${target[@]}" > confirmed.jsonl
statuses=("${PIPESTATUS[@]}")
set -e

# A target that failed confirms nothing. A tap that failed was still loaded up to its last state.
if [[ "${statuses[1]}" == 0 ]] && grep '^{' confirmed.jsonl | tail -n 1 > state.next && [[ -s state.next ]]; then
  mv state.next state.json
fi

if [[ "${statuses[*]}" != "0 0" ]]; then
  echo "The load failed: the tap ended with status ${statuses[0]}, the target with ${statuses[1]}." >&2
  exit 1
fi
