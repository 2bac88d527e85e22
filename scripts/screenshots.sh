#!/usr/bin/env bash
# Starts a demo server on a free port with a database of its own, and has scripts/screenshot.mjs take the pictures.
#
#   scripts/screenshots.sh SERVER_PROGRAM OUTPUT_FOLDER
set -euo pipefail
program=$(realpath "$1")
images=$(mkdir -p "$2" && realpath "$2")
script=$(realpath "$(dirname "$0")/screenshot.mjs")

folder=$(mktemp -d "${TMPDIR:-/tmp}/tutti-screenshots.XXXXXX")
server=
stop() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
  rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Read below, perhaps before the server has opened it.
: >"$folder/out"
"$program" serve --demo --bind 127.0.0.1:0 --database-url "sqlite://$folder/tutti.db" >"$folder/out" 2>"$folder/log" & server=$!

url=
deadline=$((SECONDS + 20))
while [ -z "$url" ]; do
  url=$(sed -n 's/.*listening on \(http:[^ ]*\).*/\1/p' "$folder/out" | head -n 1)
  if ! kill -0 "$server" 2>/dev/null || [ $SECONDS -ge $deadline ]; then
    cat "$folder/log" >&2
    echo "The demo server did not start" >&2
    exit 1
  fi
  sleep 0.1
done

node "$script" "$url" "$images"
