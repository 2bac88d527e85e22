#!/usr/bin/env bash
# Says, all at once, which tools a build needs and this machine lacks. Installs nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

rust_wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
node_wanted=20.11
problems=()

# at_least WANTED HAVE: whether the version HAVE is WANTED or newer.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
  if [ -x "$HOME/.cargo/bin/cargo" ]; then
    problems+=("Rust is installed, but not on PATH: run '. \"\$HOME/.cargo/env\"'")
  else
    problems+=("Rust (cargo, rustc) is missing: install $rust_wanted or newer from https://rustup.rs")
  fi
else
  have=$(rustc --version | cut -d ' ' -f 2)
  at_least "$rust_wanted" "$have" || problems+=("Rust is $have, needed is $rust_wanted or newer: run 'rustup update stable'")
fi

if ! command -v node >/dev/null; then
  problems+=("Node.js is missing: install $node_wanted or newer from https://nodejs.org")
else
  have=$(node --version | tr -d v)
  at_least "$node_wanted" "$have" || problems+=("Node.js is $have, needed is $node_wanted or newer: https://nodejs.org")
fi

command -v npm >/dev/null || problems+=("npm is missing: it comes with Node.js, on Debian as the package npm")

command -v cc >/dev/null || command -v gcc >/dev/null || command -v clang >/dev/null ||
  problems+=("A C compiler is missing (SQLite is built from source): on Debian 'apt-get install build-essential', on macOS 'xcode-select --install'")

if [ ${#problems[@]} -gt 0 ]; then
  echo "This machine lacks what the build needs:" >&2
  printf '  - %s\n' "${problems[@]}" >&2
  exit 1
fi
