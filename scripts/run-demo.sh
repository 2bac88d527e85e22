#!/usr/bin/env bash
# `make run`: builds the demo's pages beside the server that carries them, says how long it took, and starts it. The profile `demo`
# compiles fast rather than well; `cargo build --release` makes the binary that you deploy.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
log=$target/demo-pages.log
build=(cargo build --profile demo --no-default-features)
# Crates that bring nearly all others: they compile while the pages are built, which the server's own crate has to wait for.
heavy=(-p actix-web -p sqlx -p jsonwebtoken -p tracing-subscriber -p clap -p prometheus)

mkdir -p "$target"
if [ ! -x "$target/demo/tutti" ]; then
  echo "Building the demo: its pages and the server, about 3 minutes on 2 cores the first time."
fi
make --no-print-directory demo >"$log" 2>&1 &
pages=$!
"${build[@]}" "${heavy[@]}"
wait "$pages" || { cat "$log" >&2; echo "The demo's pages could not be built" >&2; exit 1; }
"${build[@]}"
echo "Built in $SECONDS s. Starting $target/demo/tutti serve --demo (Ctrl+C stops it)."
exec "$target/demo/tutti" serve --demo
