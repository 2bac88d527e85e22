#!/usr/bin/env bash
# Builds the archive and the npm package of a target, unpacks both as a user would, and starts what is in them.
#
#   scripts/test-archive.sh [TARGET]      as scripts/archive.sh, with its environment
set -euo pipefail
cd "$(dirname "$0")/.."

# Bytes of the binary; a release that outgrows it has brought something along that it should not.
binary_bytes_max=$((25 * 1024 * 1024))

archive=$(scripts/archive.sh "$@" | tail -n 1)
folder=$(mktemp -d "${TMPDIR:-/tmp}/tutti-archive.XXXXXX")
server=
stop() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$folder"
}
trap stop EXIT

# is_ready COMMAND…: starts it in $folder/data and asks its health.
is_ready() {
  rm -rf "$folder/data"
  mkdir "$folder/data"
  (cd "$folder/data" && exec "$@" serve --demo --bind "unix:$folder/data/tutti.sock") >"$folder/log" 2>&1 &
  server=$!
  local deadline=$((SECONDS + 60))
  until (cd "$folder/data" && "$@" health --bind "unix:$folder/data/tutti.sock") >"$folder/health" 2>&1; do
    if [ $SECONDS -ge $deadline ] || ! kill -0 "$server" 2>/dev/null; then
      cat "$folder/health" "$folder/log" >&2
      return 1
    fi
    sleep 0.2
  done
  kill "$server"
  wait "$server" || { echo "the server did not stop cleanly" >&2; return 1; }
  server=
}

(cd "$(dirname "$archive")" && sha256sum --check --quiet "$(basename "$archive").sha256")
tar --extract --gzip --file="$archive" --directory="$folder"
binary=("$folder"/tutti-*/tutti)
bytes=$(wc -c <"${binary[0]}")
echo "The binary has $bytes bytes"
if [ -z "${TUTTI_ARCHIVE_BINARY:-}" ] && [ "${TUTTI_ARCHIVE_PROFILE:-release}" = release ] && [ "$bytes" -gt "$binary_bytes_max" ]; then
  echo "That is more than $binary_bytes_max" >&2
  exit 1
fi
is_ready "${binary[0]}"
echo "The archive's binary starts and is ready"

# As npm lays them out: their own folders side by side. Installed by npm they would be asked of its registry.
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
for packed in "$(dirname "$archive")"/tutti-server-*"$version".tgz; do
  package=$(basename "$packed" "-$version.tgz")
  mkdir -p "$folder/node_modules/$package"
  tar --extract --gzip --file="$packed" --directory="$folder/node_modules/$package" --strip-components=1
done
is_ready node "$folder/node_modules/tutti-server/tutti-server.mjs"
echo "The npm package starts and is ready"
