#!/usr/bin/env bash
# Counts the instructions that one pass of each hot path costs, by valgrind: the difference between few passes and many, so that
# starting counts for nothing. Fails past a budget, which leaves room for what a compiler's release changes. The numbers are of
# the dev profile with the own code at opt-level 1; docs/PERFORMANCE.md says what they are good for.
set -euo pipefail
cd "$(dirname "$0")/.."

# Path, passes, budget in instructions a pass.
budgets=(
  'decode 2000 8800'
  'apply 2000 14900'
  'encode 2000 5000'
  'fan-out 2000 56500'
  'load 2000 12600'
)

build=(cargo build --config profile.dev.package.tutti.opt-level=1 --bench hot_paths)
program=$("${build[@]}" --message-format=json 2>/dev/null | sed -n 's/.*"executable":"\([^"]*hot_paths[^"]*\)".*/\1/p' | tail -n 1)
[ -n "$program" ] || { "${build[@]}"; exit 1; }

# instructions PATH TIMES
instructions() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 | sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

printf '%-8s %14s %10s\n' path instructions budget
status=0
for line in "${budgets[@]}"; do
  read -r path times budget <<<"$line"
  few=$(instructions "$path" "$times")
  many=$(instructions "$path" $((3 * times)))
  each=$(((many - few) / (2 * times)))
  printf '%-8s %14d %10d\n' "$path" "$each" "$budget"
  if [ "$each" -gt "$budget" ]; then
    echo "$path is past its budget" >&2
    status=1
  fi
done
exit "$status"
