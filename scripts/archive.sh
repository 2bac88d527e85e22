#!/usr/bin/env bash
# Builds what is released for one target: an archive with the binary, its licences and the files to run it with, and the npm package
# that carries the same binary.
#
#   scripts/archive.sh [TARGET]      default: this machine's; x86_64-unknown-linux-musl makes a static binary
#
# TUTTI_ARCHIVE_PROFILE [release] names the cargo profile, TUTTI_ARCHIVE_FOLDER [dist] where the results go. TUTTI_ARCHIVE_BINARY is a
# binary to pack instead of building one.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
target=${1:-$host}
profile=${TUTTI_ARCHIVE_PROFILE:-release}
folder=${TUTTI_ARCHIVE_FOLDER:-dist}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
name=tutti-$version-$target

binary=${TUTTI_ARCHIVE_BINARY:-}
if [ -z "$binary" ]; then
  # Linux on arm64 has pages of up to 64 KiB, whatever this machine's have.
  case $target in aarch64-*-linux-*) export JEMALLOC_SYS_WITH_LG_PAGE=16 ;; esac
  make --no-print-directory demo
  cargo build --locked --features jemalloc --profile "$profile" --target "$target"
  binary=${CARGO_TARGET_DIR:-target}/$target/$([ "$profile" = dev ] && echo debug || echo "$profile")/tutti
fi

rm -rf "${folder:?}/$name" "$folder/npm-$target"
mkdir -p "$folder/$name" "$folder/npm-$target/bin"
install -m 755 "$binary" "$folder/$name/tutti"
cp README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT .env.example deploy/tutti.service deploy/nginx.conf "$folder/$name/"
tar --create --gzip --owner=0 --group=0 --numeric-owner --directory="$folder" --file="$folder/$name.tar.gz" "$name"
(cd "$folder" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")

# npm names systems and processors in words of its own.
case $target in
  x86_64-*) cpu=x64 ;;
  aarch64-*) cpu=arm64 ;;
  *) echo "No npm package for $target" >&2; exit 1 ;;
esac
case $target in
  *-linux-*) os=linux ;;
  *-apple-darwin) os=darwin ;;
  *) echo "No npm package for $target" >&2; exit 1 ;;
esac
install -m 755 "$binary" "$folder/npm-$target/bin/tutti"
cp LICENSE-APACHE LICENSE-MIT "$folder/npm-$target/"
cat >"$folder/npm-$target/package.json" <<JSON
{
  "name": "tutti-server-$os-$cpu",
  "version": "$version",
  "description": "The binary of tutti-server for $os on $cpu",
  "license": "MIT OR Apache-2.0",
  "os": ["$os"],
  "cpu": ["$cpu"],
  "files": ["bin"]
}
JSON
rm -rf "$folder/npm"
mkdir -p "$folder/npm"
cp -R npm/. "$folder/npm/"
cp LICENSE-APACHE LICENSE-MIT "$folder/npm/"
(cd "$folder/npm" && npm pkg set version="$version" "optionalDependencies.tutti-server-linux-x64=$version" \
  "optionalDependencies.tutti-server-linux-arm64=$version" "optionalDependencies.tutti-server-darwin-x64=$version" \
  "optionalDependencies.tutti-server-darwin-arm64=$version")
(cd "$folder" && npm pack --silent "./npm" "./npm-$target" >/dev/null)
echo "$folder/$name.tar.gz"
