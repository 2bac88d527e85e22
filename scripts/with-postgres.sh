#!/usr/bin/env bash
# Runs a command beside a PostgreSQL server of its own, and takes the server away when the command ends, however it ends.
#
#   scripts/with-postgres.sh cargo test      the command finds a superuser's URL in TUTTI_TEST_POSTGRES_URL
#   scripts/with-postgres.sh --find          prints the folder of the server's programs, or fails
#
# Files of the folder in TUTTI_TEST_POSTGRES_FILES, if it is set, lie in the server's data folder: certificates, settings.
#
# The server listens on a free port of 127.0.0.1, trusts whoever connects, keeps its data in a temporary folder, and
# syncs to disk like one in production: the tests are about what survives.
set -euo pipefail

# The newest version among Debian's packages, else what is on PATH.
find_programs() {
  local folder
  folder=$(find /usr/lib/postgresql -mindepth 3 -maxdepth 3 -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
  [ -n "$folder" ] || folder=$(command -v initdb) || true
  folder=$(dirname "${folder:-/none/initdb}")
  if [ ! -x "$folder/initdb" ] || [ ! -x "$folder/postgres" ]; then
    echo "No PostgreSQL server found (initdb and postgres in /usr/lib/postgresql/*/bin or on PATH): install the package postgresql" >&2
    return 1
  fi
  echo "$folder"
}

if [ "${1:-}" = --find ]; then find_programs; exit; fi
if [ $# -eq 0 ]; then echo "usage: $0 COMMAND [ARGUMENT…]" >&2; exit 2; fi

programs=$(find_programs)
folder=$(mktemp -d "${TMPDIR:-/tmp}/tutti-postgres.XXXXXX")
server=

stop() {
  trap - EXIT
  trap '' INT TERM HUP
  if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then
    # SIGINT is PostgreSQL's fast shutdown, SIGQUIT the immediate one.
    kill -INT "$server" 2>/dev/null || true
    local deadline=$((SECONDS + 60))
    while kill -0 "$server" 2>/dev/null && [ $SECONDS -lt $deadline ]; do sleep 0.1; done
    kill -QUIT "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# PostgreSQL refuses to run as root; Debian's package made a user for it.
owner=()
if [ "$(id -u)" -eq 0 ]; then
  id postgres >/dev/null 2>&1 || { echo "There is no user 'postgres' to run the server as (root may not)" >&2; exit 1; }
  chown postgres "$folder"
  owner=(setpriv --reuid=postgres --regid="$(id -g postgres)" --init-groups)
fi

( cd "$folder" && "${owner[@]}" "$programs/initdb" --pgdata=data --username=postgres --auth=trust --encoding=UTF8 --locale=C >initdb.log 2>&1 ) ||
  { cat "$folder/initdb.log" >&2; echo "initdb failed" >&2; exit 1; }

for file in ${TUTTI_TEST_POSTGRES_FILES:+"$TUTTI_TEST_POSTGRES_FILES"/*}; do
  [ -e "$file" ] || continue
  install -m 600 "$file" "$folder/data/"
  [ "$(id -u)" -ne 0 ] || chown postgres "$folder/data/$(basename "$file")"
done

is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# start PORT: whether a server of ours answers there. Another process may take the port between the look and the bind.
start() {
  ( cd "$folder" && exec "${owner[@]}" "$programs/postgres" -D data -p "$1" \
      -c listen_addresses=127.0.0.1 -c unix_socket_directories="$folder" -c max_connections=300 -c fsync=on ) \
    >"$folder/server.log" 2>&1 & server=$!
  local deadline=$((SECONDS + 120))
  while [ $SECONDS -lt $deadline ]; do
    "$programs/pg_isready" --quiet --host="$folder" --port="$1" && return 0
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  kill -QUIT "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=
  return 1
}

port=
for _ in 1 2 3 4 5 6 7 8 9 10; do
  candidate=$((20000 + RANDOM % 12000))
  is_taken "$candidate" && continue
  if start "$candidate"; then port=$candidate; break; fi
done
[ -n "$port" ] || { cat "$folder/server.log" >&2; echo "PostgreSQL did not start" >&2; exit 1; }

export TUTTI_TEST_POSTGRES_URL="postgres://postgres@127.0.0.1:$port/postgres"
status=0
"$@" || status=$?
exit "$status"
