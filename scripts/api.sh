#!/usr/bin/env bash
# Asks a live server whatever its own description (/api/v1/openapi.json) allows and forbids, as an administrator and as a plain writer, and
# fails at an answer that the description does not have. tests/api/ says how; scripts/install-test-tools.sh installs Schemathesis.
#
#   scripts/api.sh [OPTION…]    options of `schemathesis run`, such as --seed 7 or --include-operation-id restore
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
tutti=${TUTTI_BIN:-$target/debug/tutti}
schemathesis=$target/schemathesis/bin/schemathesis
folder=$(mktemp -d)
# It writes what it found beside its configuration.
cp tests/api/* "$folder"
server=

finish() {
  [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" || true; }
  rm -rf "$folder"
}
trap finish EXIT

TUTTI_JWT_SECRET=$(openssl rand -hex 32)
export TUTTI_JWT_SECRET
export TUTTI_RATE_USER=100000 TUTTI_RATE_ADDRESS=100000 TUTTI_RATE_ROOM=100000
"$tutti" serve --bind 127.0.0.1:0 --database-url "sqlite://$folder/db.sqlite" >"$folder/log" 2>&1 &
server=$!

address=
for _ in $(seq 200); do
  address=$(grep -o 'listening.*' "$folder/log" | grep -oE '127\.0\.0\.1:[0-9]+' | head -n 1) || true
  [ -z "$address" ] || break
  kill -0 "$server" 2>/dev/null || break
  sleep 0.1
done
[ -n "$address" ] || { cat "$folder/log" >&2; exit 1; }

# ask USER GRANT…: asks as a user with these rights.
ask() {
  local user=$1 grants=() token
  shift
  for grant in "$@"; do grants+=(--room "$grant"); done
  token=$("$tutti" token --sub "$user" "${grants[@]}" 2>/dev/null)
  printf '\n--> as %s, who has %s\n' "$user" "$*"
  (cd "$folder" && "$schemathesis" run "http://$address/api/v1/openapi.json" \
    --header "Authorization: Bearer $token" --max-examples "${API_EXAMPLES:-30}" --no-color "${options[@]}")
}

options=("$@")
ask root '*=admin'
ask ada 'docs/*=write'
! grep -iE 'panicked|internal error' "$folder/log"
