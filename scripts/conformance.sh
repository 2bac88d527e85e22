#!/usr/bin/env bash
# `make conformance`: the 517 cases of the Autobahn Testsuite against a server with compression. Takes about a quarter of an hour.
#
#   scripts/conformance.sh                all cases
#   scripts/conformance.sh '6.*' 7.1.5    some of them
#
# Needs python3, and a Python 2.7 for the testsuite itself (PYTHON27 names it). The testsuite is installed into target/conformance by pip.
set -euo pipefail
cd "$(dirname "$0")/.."

cases_in_all=517
target=${CARGO_TARGET_DIR:-$PWD/target}
home=$target/conformance
server=

find_python27() {
  local candidate
  for candidate in "${PYTHON27:-}" python2.7 "$(pyenv root 2>/dev/null)"/versions/2.7.*/bin/python2.7; do
    "$candidate" -c 'import ssl, sys, zlib; assert sys.version_info[:2] == (2, 7)' 2>/dev/null && command -v "$candidate" && return
  done
  echo "The Autobahn Testsuite needs Python 2.7: install it (for example 'pyenv install 2.7.18'), or name it in PYTHON27" >&2
  return 1
}

install() {
  local python27
  python27=$(find_python27)
  rm -rf "$home/python" "$home/tool"
  # The last virtualenv that makes environments for Python 2.7, and pip's in there.
  python3 -m venv "$home/tool"
  "$home/tool/bin/pip" install --quiet --disable-pip-version-check 'virtualenv==20.21.1'
  "$home/tool/bin/virtualenv" --quiet --python "$python27" "$home/python"
  local pip=("$home/python/bin/python" -W ignore -m pip --disable-pip-version-check --no-python-version-warning)
  "${pip[@]}" install --quiet setuptools==44.0.0 incremental==16.10.1
  "${pip[@]}" install --quiet --no-build-isolation --requirement tests/conformance/requirements.txt
  "${pip[@]}" install --quiet --no-deps --only-binary :all: --requirement tests/conformance/testsuite.txt
  touch "$home/python/installed"
}

mkdir -p "$home"
[ -e "$home/python/installed" ] || install

# The cases send gigabytes through the compression, which would take hours if it was not optimized.
cargo build --config 'profile.dev.package.miniz_oxide.opt-level=3'
folder=$(mktemp -d)
end() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$folder"
}
trap end EXIT

: >"$folder/output"
# Some messages come in 65,537 fragments.
(cd "$folder" && exec "$target/debug/tutti" serve --demo --compression on --bind 127.0.0.1:0 --fragments-max 100000 \
  --log-level warn) >"$folder/output" &
server=$!
for _ in $(seq 100); do
  url=$(sed -n 's|^listening on http://\(.*\)$|ws://\1/echo|p' "$folder/output")
  [ -z "$url" ] || break
  kill -0 "$server"
  sleep 0.1
done
[ -n "$url" ] || { echo "the server does not say where it listens" >&2; exit 1; }

reports=$home/reports
rm -rf "$reports"
[ $# -gt 0 ] && expected=() || { set -- '*'; expected=("$cases_in_all"); }
python3 - "$url" "$reports" "$@" >"$folder/spec.json" <<'PYTHON'
import json, sys
url, reports, *cases = sys.argv[1:]
print(json.dumps({"outdir": reports, "servers": [{"agent": "tutti", "url": url}], "cases": cases, "exclude-cases": []}))
PYTHON
(cd "$folder" && "$home/python/bin/python" -u -W ignore "$home/python/bin/wstest" --mode fuzzingclient --spec spec.json) >"$home/log"
python3 tests/conformance/report.py "$reports" "${expected[@]}"
