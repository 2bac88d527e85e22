#!/usr/bin/env bash
# Runs a command with a certificate that is good for a day: servers that the command starts speak TLS, and its Node.js clients trust
# them.
#
#   scripts/with-tls.sh scripts/crash.sh --short
#   scripts/with-tls.sh node --test tests/clients/tls.test.mjs
set -euo pipefail

if [ $# -eq 0 ]; then echo "usage: $0 COMMAND [ARGUMENT…]" >&2; exit 2; fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/tutti-tls.XXXXXX")
trap 'rm -rf "$folder"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$folder/key.pem" -out "$folder/cert.pem" 2>"$folder/openssl.log" ||
  { cat "$folder/openssl.log" >&2; exit 1; }

export TUTTI_TLS_CERT_FILE=$folder/cert.pem TUTTI_TLS_KEY_FILE=$folder/key.pem NODE_EXTRA_CA_CERTS=$folder/cert.pem
"$@"
