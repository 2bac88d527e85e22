// Suites that were written for one server meet three behind HAProxy, which sends each connection to the next one: this one and those of
// balanced-*.test.mjs. CONTRIBUTING.md says how all others do.

process.env.TUTTI_SERVERS = '3'
await import('./y-sweet.test.mjs')
