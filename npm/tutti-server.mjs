#!/usr/bin/env node
// Runs the server's binary, which the optional dependency for this machine carries. Without arguments: the demo.

import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'

const machine = `${process.platform}-${process.arch}`

function binary () {
  try {
    return createRequire(import.meta.url).resolve(`tutti-server-${machine}/bin/tutti`)
  } catch {
    console.error(`tutti-server has no binary for ${machine}. Was it installed with --omit=optional? Others build it: cargo build --release`)
    process.exit(1)
  }
}

const args = process.argv.length > 2 ? process.argv.slice(2) : ['serve', '--demo']
const server = spawn(binary(), args, { stdio: 'inherit' })
// The terminal sends Ctrl+C to both; the server decides when it has stopped.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => { if (signal !== 'SIGINT' || !process.stdin.isTTY) server.kill(signal) })
}
server.on('error', (error) => {
  console.error(`tutti-server could not start: ${error.message}`)
  process.exit(1)
})
server.on('exit', (code, signal) => process.exit(signal ? 1 : code))
