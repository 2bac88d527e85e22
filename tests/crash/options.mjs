// What a run is asked for: by the environment, which may narrow the whole plan to one run, or by `--short`.

import { typistsMax } from './marks.mjs'

const long = [
  { store: 'sqlite', mode: 'server', kills: 100 },
  { store: 'postgres', mode: 'server', kills: 100 },
  { store: 'postgres', mode: 'database', kills: 30 },
  { store: 'postgres', mode: 'both', kills: 30 },
  { store: 'postgres', mode: 'server', servers: 3, bus: 'postgres', kills: 100 },
  { store: 'postgres', mode: 'server', servers: 3, bus: 'nats', kills: 100 },
]
const short = [
  { store: 'sqlite', mode: 'server', kills: 10 },
  { store: 'postgres', mode: 'server', kills: 10 },
  { store: 'postgres', mode: 'database', kills: 3 },
  { store: 'postgres', mode: 'server', servers: 3, bus: 'postgres', kills: 10 },
  { store: 'postgres', mode: 'server', servers: 3, bus: 'nats', kills: 10 },
]

const usage = `usage: crash.mjs [--short]; in the environment: KILLS, STORE (sqlite, postgres), MODE (server, database, both; the last two
with postgres only), SERVERS (1, or several on postgres), BUS (postgres, nats: what several servers tell each other by), SEED,
CLIENTS (at most ${typistsMax}), ROOMS`

function number(name, fallback, max = Number.MAX_SAFE_INTEGER) {
  const text = process.env[name]
  if (!text) return fallback
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1 || value > max) throw new Error(`${name} must be a number from 1 to ${max}\n${usage}`)
  return value
}

/** The runs to make, each `{ store, mode, servers, bus, kills, seed, clients, rooms }`. */
export function plan(args) {
  if (args.some((arg) => arg !== '--short')) throw new Error(usage)
  const { STORE: store, MODE: mode, BUS: bus } = process.env
  const whole = (args.length > 0 ? short : long).map((run) => ({ servers: 1, bus: null, ...run }))
  const servers = number('SERVERS', null)
  const isAsked = (run) => (!store || run.store === store) && (!mode || run.mode === mode) && (!bus || run.bus === bus)
  const runs = whole.filter((run) => isAsked(run) && (servers === null || run.servers > 1 === servers > 1))
  if (runs.length === 0) throw new Error(`there is no run with STORE=${store ?? ''} MODE=${mode ?? ''} SERVERS=${servers ?? ''} BUS=${bus ?? ''}\n${usage}`)
  const seed = number('SEED', Math.floor(Math.random() * 2 ** 32), 2 ** 32 - 1)
  const clients = number('CLIENTS', 9, typistsMax)
  const rooms = number('ROOMS', 3)
  return runs.map((run) => ({
    ...run,
    servers: servers ?? run.servers,
    kills: number('KILLS', run.kills),
    seed,
    clients,
    rooms: Math.min(rooms, clients),
  }))
}
