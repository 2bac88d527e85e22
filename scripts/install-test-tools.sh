#!/usr/bin/env bash
# Makes sure that a PostgreSQL server, PgBouncer, NATS, openssl, Chromium, nginx, HAProxy, valgrind, Python and Go are on the machine: installs
# them by apt on Debian and Ubuntu, and says what to install elsewhere. Changes nothing where all are there. Schemathesis comes from PyPI,
# into a folder of its own.
set -euo pipefail

here=$(dirname "$0")
# Schemathesis has a folder of its own, made anew when its pinned versions change.
install_schemathesis() {
  local root wanted venv
  root=$(cd "$here/.." && pwd)
  wanted=$root/tests/api/requirements.txt
  venv=${CARGO_TARGET_DIR:-$root/target}/schemathesis
  cmp -s "$wanted" "$venv/requirements.txt" && return
  echo "Installing Schemathesis into $venv"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
  # Last, so it stands for a complete installation.
  cp "$wanted" "$venv/requirements.txt"
}

packages=()
missing=()

"$here/with-postgres.sh" --find >/dev/null 2>&1 || { packages+=(postgresql); missing+=("a PostgreSQL server (initdb, postgres)"); }

pgbouncer=${PGBOUNCER:-/usr/sbin/pgbouncer}
[ -x "$pgbouncer" ] || { packages+=(pgbouncer); missing+=("PgBouncer at $pgbouncer (or its path in PGBOUNCER)"); }

command -v openssl >/dev/null || { packages+=(openssl); missing+=("openssl"); }

chromium=${CHROMIUM:-/usr/bin/chromium}
[ -x "$chromium" ] || { packages+=(chromium); missing+=("Chromium at $chromium (or its path in CHROMIUM)"); }

nginx=${NGINX:-/usr/sbin/nginx}
[ -x "$nginx" ] || { packages+=(nginx-light); missing+=("nginx at $nginx (or its path in NGINX)"); }

haproxy=${HAPROXY:-/usr/sbin/haproxy}
[ -x "$haproxy" ] || { packages+=(haproxy); missing+=("HAProxy at $haproxy (or its path in HAPROXY)"); }

# Debian has it where only administrators look.
[ -x /usr/sbin/nats-server ] || command -v nats-server >/dev/null || { packages+=(nats-server); missing+=("nats-server"); }

command -v valgrind >/dev/null || { packages+=(valgrind); missing+=("valgrind"); }

python3 -c 'import ensurepip, venv' 2>/dev/null || { packages+=(python3-venv); missing+=("Python 3.10 or newer with venv"); }

# For one snippet of the documents.
command -v go >/dev/null || { packages+=(golang-go); missing+=("Go 1.19 or newer"); }

if [ ${#missing[@]} -eq 0 ]; then
  install_schemathesis
  exit 0
fi

tell() { printf 'The tests need what is missing here:\n'; printf '  - %s\n' "${missing[@]}"; } >&2

if ! command -v apt-get >/dev/null; then
  tell
  echo "This is not Debian or Ubuntu: install them by hand and run 'make test' again." >&2
  exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    tell
    echo "Run as root: apt-get update && apt-get install ${packages[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

# Another apt may be at work (unattended upgrades on a new machine): wait for its lock instead of failing.
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq "$@"; }

echo "Installing: ${packages[*]}"
for attempt in 1 2 3 4 5 6; do
  # The lock on the package lists is not covered by the option above.
  apt update && break
  [ "$attempt" -lt 6 ] || { echo "apt-get update failed $attempt times" >&2; exit 1; }
  sleep 10
done
apt install --yes --no-install-recommends "${packages[@]}" >/dev/null

[ -x "$chromium" ] || { echo "apt-get installed no Chromium at $chromium: set CHROMIUM to its path" >&2; exit 1; }
"$here/with-postgres.sh" --find >/dev/null
[ -x "$pgbouncer" ] || { echo "apt-get installed no PgBouncer at $pgbouncer: set PGBOUNCER to its path" >&2; exit 1; }
[ -x "$nginx" ] || { echo "apt-get installed no nginx at $nginx: set NGINX to its path" >&2; exit 1; }
[ -x "$haproxy" ] || { echo "apt-get installed no HAProxy at $haproxy: set HAPROXY to its path" >&2; exit 1; }
install_schemathesis
