// As balanced.test.mjs.

process.env.TUTTI_SERVERS = '3'
await import('./conversation.test.mjs')
