#!/usr/bin/env bash
# `make fuzz`: makes up bytes for all that reads what strangers send, and what documents are read from, from those in fuzz/corpus on;
# and then histories for Yjs to judge.
#
#   scripts/fuzz.sh                        each target for ten minutes
#   FUZZ_SECONDS=60 scripts/fuzz.sh view   one of them for a minute
#
# Bytes that fail are kept in fuzz/artifacts, and the command that runs them again is printed.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz

# What the fuzzer needs of the compiler is not stable; the code under it is built as ever. It has no unsafe to look after.
export RUSTC_BOOTSTRAP=1
targets=("$@")
[ $# -gt 0 ] || targets=(scan apply view v2 draft packs redact frames inflate heads tokens names yjs awareness hocuspocus json)
for target in "${targets[@]}"; do
  mkdir -p "fuzz/target/corpus/$target" "fuzz/corpus/$target"
  cargo fuzz run --sanitizer none "$target" "fuzz/target/corpus/$target" "fuzz/corpus/$target" -- \
    -max_total_time="${FUZZ_SECONDS:-600}" -timeout=20 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1
done
unset RUSTC_BOOTSTRAP

[ $# -gt 0 ] || JUDGE_SEED=${JUDGE_SEED:-$RANDOM} JUDGE_HISTORIES=${JUDGE_HISTORIES:-3000} cargo test --test judge
