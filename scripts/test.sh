#!/usr/bin/env bash
# `make test`: every check and test in order, ending at the first that fails. A tool that is missing fails its stage.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
export TUTTI_BIN=$target/debug/tutti
export CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
# Most of what they do is wait.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((3 * $(nproc)))}
summary=()

# stage NAME COMMAND…
stage() {
  local name=$1 began=$SECONDS
  shift
  printf '\n==> %s\n' "$name"
  if ! "$@"; then
    printf '\nmake test FAILED in the stage: %s\n' "$name" >&2
    exit 1
  fi
  summary+=("$(printf '%4d s  %s' $((SECONDS - began)) "$name")")
}

stage 'tools' scripts/check-tools.sh
stage 'PostgreSQL, PgBouncer, openssl, Chromium, nginx, valgrind, Go and Schemathesis' scripts/install-test-tools.sh
stage 'demo' make --no-print-directory demo
stage 'demo: unit tests' npm --prefix static test
stage 'npm packages of the client tests' make --no-print-directory test-packages
stage 'cargo fmt' cargo fmt --check
stage 'cargo clippy' cargo clippy --all-targets -- -D warnings
stage 'cargo check without import, as make run builds it' cargo check --no-default-features
# Also makes the server, $TUTTI_BIN, that the stages behind it meet.
stage 'cargo test' scripts/with-postgres.sh cargo test
stage 'instructions of the hot paths' scripts/instructions.sh
stage 'REST as its description has it: Schemathesis' scripts/api.sh
stage 'crash: kill -9 of the server and the database' scripts/crash.sh --short
stage 'clients: npm providers and a browser' scripts/with-postgres.sh npm --prefix tests/clients test

printf '\n'
printf '%s\n' "${summary[@]}"
printf 'make test: all passed in %d s\n' "$SECONDS"
