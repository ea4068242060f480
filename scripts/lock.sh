#!/usr/bin/env bash
# Renew requirements.lock and requirements-test.lock from pyproject.toml (`make lock`).
# Pinned versions stay unless pyproject.toml forbids them; `--upgrade` takes the newest instead.
# The tool that resolves lives in a throwaway environment and is no dependency of ours.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"${PYTHON:-python3}" -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check "uv>=0.5"

compile() {  # compile LOCK OPTIONS...: versions for every machine, hashes, and no index host
  "$tools/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
    --extra demo --group build "${@:2}" pyproject.toml -o "$1" > /dev/null
  if grep -nE '://|--(index-url|extra-index-url|find-links)' "$1"; then
    echo "lock: $1 names an index host; it must not be committed like this." >&2
    exit 1
  fi
  echo "lock: $1 has $(grep -c '^[a-z]' "$1") packages"
}

compile requirements.lock "$@"
compile requirements-test.lock --group test -c requirements.lock "$@"
