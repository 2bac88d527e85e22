#!/usr/bin/env bash
# `make run`: builds the demo's pages beside the crates of the server that carries them, says how long it took, and starts it. The
# profile `demo` compiles fast rather than well; `make build` makes the binary that you deploy.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
mkdir -p "$target"
log=$target/demo-pages.log

if [ ! -x "$target/demo/tutti" ]; then
  echo "Building the demo: its pages and the server. The first time takes about 3 minutes on 2 cores."
fi

# The server's own crate is compiled last and holds the pages; cargo asks the wrapper to compile it, which waits for this file.
TUTTI_PAGES_DONE=$(mktemp -u "$target/demo-pages.XXXXXX")
export TUTTI_PAGES_DONE
trap 'rm -f "$TUTTI_PAGES_DONE"' EXIT
(status=0; make --no-print-directory demo >"$log" 2>&1 || status=$?; echo "$status" >"$TUTTI_PAGES_DONE") &
pages=$!
RUSTC_WORKSPACE_WRAPPER=$PWD/scripts/after-pages.sh cargo build --profile demo --no-default-features || built=$?
wait "$pages"
if [ "$(cat "$TUTTI_PAGES_DONE")" != 0 ]; then
  cat "$log" >&2
  echo "The demo's pages could not be built" >&2
  exit 1
fi
[ "${built:-0}" -eq 0 ] || exit "$built"
rm -f "$TUTTI_PAGES_DONE"

echo "Built in $SECONDS s. Starting: $target/demo/tutti serve --demo (Ctrl+C stops it)"
exec "$target/demo/tutti" serve --demo
