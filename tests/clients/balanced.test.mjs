// Suites that were written for one server meet three behind HAProxy, which sends each connection to the next one: this one and those of
// balanced-*.test.mjs. Others run so by hand: TUTTI_SERVERS=3 scripts/with-postgres.sh npm --prefix tests/clients test

process.env.TUTTI_SERVERS = '3'
await import('./y-sweet.test.mjs')
