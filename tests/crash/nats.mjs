// A NATS server of one's own for what servers tell each other, at a free port of 127.0.0.1. It outlives them all.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../clients/support/until.mjs'

// Debian has it where only administrators look.
const program = ['/usr/sbin/nats-server', '/usr/bin/nats-server'].find(existsSync) ?? 'nats-server'

const running = new Set()
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))

export class Nats {
  #process
  #folder

  /** Makes and starts one. */
  static async create() {
    const nats = new Nats()
    nats.#folder = await mkdtemp(join(tmpdir(), 'tutti-nats-'))
    const child = spawn(program, ['-a', '127.0.0.1', '-p', '-1', '--ports_file_dir', nats.#folder], { stdio: 'ignore' })
    nats.#process = child
    let failure = null
    child.once('error', (error) => (failure = error))
    child.once('exit', (code) => {
      running.delete(child)
      failure ??= new Error(`nats-server ended with ${code}`)
    })
    running.add(child)
    nats.url = await until(async () => {
      if (failure) throw new Error(`${failure.message}: scripts/install-test-tools.sh installs it`)
      return nats.#address()
    }, 'nats-server says where it listens')
    return nats
  }

  /** As its file of ports has it, once that is whole. */
  async #address() {
    const name = (await readdir(this.#folder)).find((file) => file.endsWith('.ports'))
    if (!name) return null
    try {
      return JSON.parse(await readFile(join(this.#folder, name), 'utf8')).nats[0]
    } catch (error) {
      if (error instanceof SyntaxError) return null
      throw error
    }
  }

  async close() {
    this.#process.kill('SIGKILL')
    await rm(this.#folder, { recursive: true, force: true })
  }
}
