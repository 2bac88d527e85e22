// `make bench-cluster`: what several servers on one Postgres cost, and how fast one shows what another saved. Each row compares within
// one run; docs/PERFORMANCE.md says what they are.

import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { awarenessFrame } from '../../tests/clients/support/frames.mjs'
import { openSocket } from '../../tests/clients/support/socket.mjs'
import { until } from '../../tests/clients/support/until.mjs'
import { cpuMs, enter, Group, haveMet, Link, median, memoryMib, Nats, natsPing, notifyPing, paced, postgresCpuMs, quantile, watchNotifyLock } from './support.mjs'

const seconds = Number(process.env.BENCH_SECONDS ?? 4)
const orderSeconds = Number(process.env.BENCH_ORDER_SECONDS ?? 60)
const pairs = 5
const buses = [['NOTIFY', false], ['NATS', true]]
const ms = (number) => `${number.toFixed(1)} ms`
const times = (number) => `${number.toFixed(2)} ×`
const chat = (client, room, text) => client.say({ type: 'chat.message', room, text, requestId: text })

/** Says something on A and waits until it is shown on B: ms since A was told that it is saved. */
async function shown(name, group, { ping, close }) {
  const [a, b] = group.servers
  let [saved, heard] = [null, null]
  const sender = await enter(a, 'ada', 'r', (message, at) => message.type === 'saved' && (saved = at))
  const receiver = await enter(b, 'bob', 'r', (message, at) => message.type === 'chat.message' && (heard = at))
  const [after, pings] = [[], []]
  for (let n = 0; n < 1_000 + 20; n += 1) {
    ;[saved, heard] = [null, null]
    chat(sender, 'r', `${n}`)
    await until(() => saved !== null && heard !== null, 'it is shown')
    const pinged = await ping()
    // The first ones warm up.
    if (n >= 20) after.push(Math.max(0, heard - saved)), pings.push(pinged)
    await delay(20)
  }
  sender.drop()
  receiver.drop()
  await close()
  const [p50, p99] = [0.5, 0.99].map((part) => [quantile(after, part), quantile(pings, part)])
  return [
    [`shown on B after A is told that it is saved, ${name}`, `p50 ${ms(p50[0])}, p99 ${ms(p99[0])}`],
    [`a bare ping by ${name} in the same run`, `p50 ${ms(p50[1])}, p99 ${ms(p99[1])}; p99 of the above: ${times(p99[0] / p99[1])}`],
  ]
}

const rows = {
  async notify() {
    const group = await Group.start(2)
    await haveMet(group)
    const result = await shown('NOTIFY', group, await notifyPing(group))
    await group.close()
    return result
  },

  async nats() {
    const nats = await Nats.start()
    const group = await Group.start(2, nats.args)
    await haveMet(group)
    const result = await shown('NATS', group, await natsPing(nats))
    await group.close()
    await nats.close()
    return result
  },

  /** Twenty rooms of two; who is on the first server sends the next message when one is saved. Who listens is on a second server, with and
   * without a bus, or on the same one, where as much is shown as by the bus; or nobody listens, and the bus has nothing to do. */
  async durable() {
    const none = ['--bus', 'none']
    const kinds = {
      withBus: { group: await Group.start(2), listenOn: 1 },
      sameServer: { group: await Group.start(2, none), listenOn: 0 },
      notShown: { group: await Group.start(2, none), listenOn: 1 },
      busUnused: { group: await Group.start(2) },
      unusedWithout: { group: await Group.start(2, none) },
    }
    await haveMet(kinds.withBus.group)
    await haveMet(kinds.busUnused.group)
    for (const load of Object.values(kinds)) {
      const { servers } = load.group
      Object.assign(load, { count: 0, isOn: false, writers: [], rates: [], cpu: { writing: 0, other: 0, postgres: 0, clients: 0 }, saved: 0 })
      for (let n = 0; n < 20; n += 1) {
        if (load.listenOn !== undefined) await enter(servers[load.listenOn], `listener-${n}`, `r${n}`)
        const writer = await enter(servers[0], `writer-${n}`, `r${n}`, (message) => {
          if (message.type !== 'saved') return
          load.count += 1
          if (load.isOn) chat(writer, `r${n}`, `${load.count}-${n}`)
        })
        load.writers.push([writer, `r${n}`])
      }
    }
    const used = async ({ group }) => {
      const clients = process.cpuUsage()
      return { writing: cpuMs(group.servers[0]), other: cpuMs(group.servers[1]), postgres: await postgresCpuMs(group), clients: (clients.user + clients.system) / 1000 }
    }
    const run = async (load) => {
      const before = await used(load)
      Object.assign(load, { isOn: true, count: 0 })
      load.writers.forEach(([writer, room]) => chat(writer, room, `begin-${room}-${Date.now()}`))
      await delay(seconds * 1000)
      load.rates.push(load.count / seconds)
      load.saved += load.count
      load.isOn = false
      const after = await used(load)
      for (const part of Object.keys(load.cpu)) load.cpu[part] += after[part] - before[part]
      // What is on its way ends.
      await delay(500)
    }
    const all = Object.values(kinds)
    const stop = await watchNotifyLock(kinds.withBus.group)
    for (const load of all) await run(load)
    for (const load of all) Object.assign(load, { rates: [], saved: 0, cpu: { writing: 0, other: 0, postgres: 0, clients: 0 } })
    for (let pair = 0; pair < pairs; pair += 1) for (const load of pair % 2 ? all.toReversed() : all) await run(load)
    const { looks, waits } = await stop()
    for (const { group } of all) await group.close()
    const ratio = (one, other) => times(median(one.rates.map((rate, pair) => rate / other.rates[pair])))
    const rates = (one, other) => `${median(one.rates).toFixed(0)} and ${median(other.rates).toFixed(0)}; median of ${pairs} pairs: ${ratio(one, other)}`
    const perMessage = ({ cpu, saved }) => Object.values(cpu).map((ms) => `${((ms * 1000) / saved).toFixed(0)}`).join(', ')
    const { withBus, sameServer, notShown, busUnused, unusedWithout } = kinds
    return [
      ['messages saved a second in 20 rooms of two people: one on another server, with the bus, beside both on one server, without it', rates(withBus, sameServer)],
      ['the same beside one on another server without the bus, who is shown nothing', rates(withBus, notShown)],
      ['rooms of one person, with the bus beside without it', rates(busUnused, unusedWithout)],
      ['CPU for each message, in µs, of the server that saves, the other one, Postgres and the clients: with the bus', perMessage(withBus)],
      ['… both on one server', perMessage(sameServer)],
      ['… one on another server, who is shown nothing', perMessage(notShown)],
      ['sessions that saved and waited for the lock of NOTIFY', `${waits} in ${looks} looks`],
    ]
  },

  /** Private rooms on two servers, paced; a third one comes and goes. */
  async third() {
    const group = await Group.start(2)
    const people = []
    for (const [index, server] of group.servers.entries()) {
      for (let n = 0; n < 20; n += 1) {
        const room = `private-${index}-${n}`
        await enter(server, 'reader', room)
        people.push([await enter(server, 'writer', room), room])
      }
    }
    let said = 0
    const run = async () => {
      const before = group.servers.slice(0, 2).map(cpuMs)
      await paced(200, seconds, (n) => chat(...people[n % people.length], `${(said += 1)}`))
      const after = group.servers.slice(0, 2).map(cpuMs)
      return after[0] + after[1] - before[0] - before[1]
    }
    const [ratios, texts] = [[], []]
    await run()
    for (let pair = 0; pair < pairs; pair += 1) {
      const alone = await run()
      const third = await group.add()
      await haveMet(group)
      await delay(500)
      const before = await third.metric('tutti_bus_texts_received_total')
      ratios.push((await run()) / alone)
      texts.push((await third.metric('tutti_bus_texts_received_total')) - before)
      await group.remove()
      await delay(500)
    }
    await group.close()
    return [
      ['CPU of two servers with private rooms, with a third one beside without it', `median of ${pairs} pairs: ${times(median(ratios))}`],
      [`texts that the third one got of them in ${seconds} s, all of them signs of life`, `${median(texts)}`],
    ]
  },

  async away() {
    const nats = await Nats.start()
    const group = await Group.start(2, nats.args)
    await haveMet(group)
    const [a, b] = group.servers
    const [saved, heard] = [new Map(), new Map()]
    const sender = await enter(a, 'ada', 'r', (message, at) => message.type === 'saved' && saved.set(message.requestId, at))
    const receiver = await enter(b, 'bob', 'r', (message, at) => message.type === 'chat.message' && heard.set(message.text, at))
    let backAt = 0
    const outage = (async () => {
      await delay(2_000)
      await nats.goes()
      await delay(30_000)
      await nats.comes()
      backAt = performance.now()
    })()
    await paced(5, 42, (n) => chat(sender, 'r', `${n}`))
    await outage
    await until(() => saved.size === 210 && heard.size === 210, 'all is saved and shown')
    const delays = [...heard].map(([text, at]) => ({ at, late: at - saved.get(text) }))
    const late = delays.filter(({ late }) => late > 100)
    const isOpen = [sender, receiver].every(({ closed }) => closed === null)
    await group.close()
    await nats.close()
    return [
      ['the bus is away for 30 s: latest that anything was shown on B', `${(Math.max(...late.map(({ late }) => late)) / 1000).toFixed(1)} s after it was saved`],
      ['and after it is back: the last one that was more than 100 ms late', `${(Math.max(0, ...late.map(({ at }) => at - backAt)) / 1000).toFixed(1)} s; saved ${saved.size} of 210, connections lost: ${isOpen ? 'none' : 'some'}`],
    ]
  },

  /** Three writers in one room, each on a server of its own, who send when the one before is saved; somebody else on each server reads. */
  async order() {
    const lines = []
    for (const [name, bus] of buses) {
      const nats = bus ? await Nats.start() : null
      const group = await Group.start(3, nats?.args)
      await haveMet(group)
      const logs = group.servers.map(() => ({ seqs: 0, inOrder: true, hash: createHash('sha256') }))
      let [sent, isOn] = [0, true]
      const counts = group.servers.map(() => 0)
      for (const [index, server] of group.servers.entries()) {
        const log = logs[index]
        await enter(server, `reader-${index}`, 'order', (message) => {
          if (message.type !== 'chat.message') return
          log.seqs += 1
          log.inOrder &&= message.seq === log.seqs
          log.hash.update(JSON.stringify(message))
        })
      }
      for (const [index, server] of group.servers.entries()) {
        const writes = () => {
          sent += 1
          chat(writer, 'order', `${index} ${counts[index]}`)
        }
        const writer = await enter(server, `writer-${index}`, 'order', (message) => {
          if (message.type !== 'saved') return
          counts[index] += 1
          if (isOn) writes()
        })
        writes()
      }
      await delay(orderSeconds * 1000)
      isOn = false
      const ended = performance.now()
      await until(() => logs.every(({ seqs }) => seqs >= sent), 'all is shown everywhere', { state: () => [sent, counts, logs] })
      const isSame = new Set(logs.map(({ hash }) => hash.digest('hex'))).size === 1
      const good = isSame && logs.every(({ inOrder }) => inOrder)
      lines.push([
        `three writers on three servers, one room, ${orderSeconds} s, ${name}: who reads on each of them was shown 1 … n once, in order, alike to the byte`,
        `${good ? 'yes' : 'NO'}, n = ${sent}; ${((performance.now() - ended) / 1000).toFixed(1)} s after the last was sent`,
      ])
      await group.close()
      await nats?.close()
    }
    return lines
  },

  /** A link to the bus that goes silent and stays open, and a server that stands still for 20 s. */
  async frozen() {
    const lines = []
    for (const [name, bus] of buses) {
      const nats = bus ? await Nats.start() : null
      const group = await Group.start(1, nats?.args)
      const target = new URL(nats ? `nats://127.0.0.1:${nats.port}` : group.url)
      const link = await Link.start(target.host)
      target.host = link.address
      const [a, b] = [group.servers[0], await group.add(['--bus-url', target.href])]
      await haveMet(group)
      const [saved, heard, left] = [new Map(), new Map(), []]
      const sender = await enter(a, 'ada', 'r', (message, at) => {
        if (message.type === 'saved') saved.set(message.requestId, at)
        if (message.type === 'presence.diff') left.push(...(message.leaves ?? []).map((user) => ({ user, at })))
      })
      const receiver = await enter(b, 'bob', 'r', (message, at) => message.type === 'chat.message' && heard.set(message.text, at))
      const waitsFor = async (isSo, what) => {
        const from = performance.now()
        await until(isSo, what, { withinMs: 60_000 })
        return (performance.now() - from) / 1000
      }
      let said = 0
      /** Says something five times a second until this has ended, and waits until all of it is shown; the latest. */
      const speaksDuring = async (work) => {
        let isOn = true
        const first = said
        const speaking = (async () => {
          for (; isOn; said += 1) {
            chat(sender, 'r', `${said}`)
            await delay(200)
          }
        })()
        await work()
        isOn = false
        await speaking
        await until(() => saved.size === said && heard.size === said, 'all is saved and shown', { withinMs: 60_000 })
        const mine = [...heard].filter(([text]) => Number(text) >= first)
        return (from) => Math.max(...mine.map(([text, at]) => at - Math.max(saved.get(text), from))) / 1000
      }
      let noticed
      const during = await speaksDuring(async () => {
        await link.does('freeze')
        noticed = await waitsFor(async () => (await b.metric('tutti_bus_degraded')) === 1, 'it is noticed')
      })
      lines.push([`a link to ${name} goes silent: noticed after; the latest that anything was shown meanwhile`, `${noticed.toFixed(1)} s; ${during(0).toFixed(1)} s after it was saved`])
      await link.does('restore')
      await link.does('drop')
      await until(async () => (await b.metric('tutti_bus_degraded')) === 0, 'the bus is back', { withinMs: 60_000 })

      left.length = 0
      let [stoppedAt, wokenAt] = [0, 0]
      const after = await speaksDuring(async () => {
        stoppedAt = performance.now()
        process.kill(b.pid, 'SIGSTOP')
        await delay(20_000)
        process.kill(b.pid, 'SIGCONT')
        wokenAt = performance.now()
      })
      const [gone, ...more] = left
      const isOpen = [sender, receiver].every(({ closed }) => closed === null)
      lines.push([
        `a server is stopped for 20 s, ${name}: its people left elsewhere after; all that it missed was shown after it went on; connections lost`,
        `${gone ? ((gone.at - stoppedAt) / 1000).toFixed(1) : 'NEVER'} s${more.length ? ', and AGAIN' : ''}; ${after(wokenAt).toFixed(1)} s; ${isOpen ? 'none' : 'some'}`,
      ])
      await group.close()
      await link.close()
      await nats?.close()
    }
    return lines
  },

  /** Cursors of one room, each moving once a second; over three servers and on one in turn. */
  async cursors() {
    const people = Number(process.env.BENCH_CURSORS ?? 500)
    const measure = async (count) => {
      const group = await Group.start(count)
      await haveMet(group)
      let [bytes, frames] = [0, 0]
      const sockets = []
      for (let n = 0; n < people; n += 1) {
        const server = group.servers[n % count]
        const socket = openSocket(server, 'cursors', { as: server.token({ sub: `u${n}` }) })
        await socket.opened()
        socket.on('message', (data) => ((bytes += data.byteLength), (frames += 1)))
        sockets.push(socket)
      }
      const move = (n) => sockets[n % people].send(awarenessFrame(1000 + (n % people), 1 + Math.floor(n / people), { user: { name: `u${n % people}` }, x: n }))
      await paced(people, 3, move)
      const texts = () => Promise.all(group.servers.map((server) => server.metric('tutti_bus_texts_sent_total')))
      const sent = await texts()
      const [cpu, before] = [group.servers.map(cpuMs), { bytes, frames }]
      await paced(people, 10, (n) => move(n + 3 * people))
      const used = group.servers.map(cpuMs).reduce((sum, now, index) => sum + now - cpu[index], 0)
      const kib = (bytes - before.bytes) / 1024
      const own = { perKib: (used * 1000) / kib, kib, frames: (frames - before.frames) / 10 / people, core: used / 10_000 }
      const texted = (await texts()).map((now, index) => (now - sent[index]) / 10)
      sockets.forEach((socket) => socket.terminate())
      await group.close()
      return { ...own, texts: Math.max(...texted) }
    }
    const [ones, threes] = [[], []]
    for (let pair = 0; pair < 3; pair += 1) {
      for (const count of pair % 2 ? [3, 1] : [1, 3]) (count === 1 ? ones : threes).push(await measure(count))
    }
    const of = (all, part) => median(all.map((one) => one[part]))
    const both = (part, digits) => `${of(threes, part).toFixed(digits)} and ${of(ones, part).toFixed(digits)}`
    const ratio = median(threes.map((three, pair) => three.perKib / ones[pair].perKib))
    return [
      [`${people} cursors of one room that move once a second, over three servers beside one: CPU for each delivered KiB`, `${both('perKib', 1)} µs; median of 3 pairs: ${times(ratio)}`],
      ['… texts a second and server on the bus', of(threes, 'texts').toFixed(0)],
      ['… CPU of all servers together, in cores', both('core', 2)],
      ['… frames a second for each of them; KiB', `${both('frames', 1)}; ${both('kib', 0)}`],
    ]
  },

  async steps() {
    const group = await Group.start(3)
    await haveMet(group)
    const rounds = 1_000
    let answers = []
    const pushers = []
    for (const [n, server] of group.servers.entries()) {
      pushers.push(await enter(server, `u${n}`, 'steps', (message) => message.requestId && answers.push(message)))
    }
    let good = 0
    for (let version = 0; version < rounds; version += 1) {
      answers = []
      pushers.forEach((pusher, n) => pusher.say({ type: 'edit.push', room: 'steps', version, steps: [{ by: n }], clientId: n, requestId: `${version}` }))
      await until(() => answers.length === 3, 'all three are answered', { state: () => answers })
      const kinds = answers.map(({ type }) => type).sort()
      good += kinds.join() === 'edit.rejected,edit.rejected,saved' && answers.every((answer) => answer.version === version + 1) ? 1 : 0
    }
    await group.close()
    return [['steps that are pushed at one version on three servers: exactly one saved, the others told of it', `${good} of ${rounds} rounds`]]
  },

  /** Ten rooms of nine, each saying something once a second; people spread over the servers. */
  async cost() {
    const lines = []
    for (const count of [1, 2, 3]) {
      const group = await Group.start(count)
      await haveMet(group)
      const delays = []
      const people = []
      for (let n = 0; n < 90; n += 1) {
        const room = `room-${n % 10}`
        const client = await enter(group.servers[Math.floor(n / 10) % count], `u${n}`, room, (message, at) => {
          if (message.type === 'chat.message') delays.push(at - Number(message.text.split(' ')[0]))
        })
        people.push([client, room])
      }
      const say = (n) => chat(...people[n % 90], `${performance.now()} ${n}`)
      await paced(90, 2, say)
      await until(() => delays.length === 90 * 2 * 9, 'the warm-up is delivered', { state: () => delays.length })
      delays.length = 0
      const texts = () => Promise.all(group.servers.map((server) => server.metric('tutti_bus_texts_sent_total')))
      const [cpu, sent] = [group.servers.map(cpuMs), await texts()]
      await paced(90, 2 * seconds, say)
      await until(() => delays.length === 90 * 2 * seconds * 9, 'all is delivered', { state: () => delays.length })
      const used = group.servers.map(cpuMs).reduce((sum, now, index) => sum + now - cpu[index], 0)
      const texted = (await texts()).reduce((sum, now, index) => sum + now - sent[index], 0) / (2 * seconds)
      const memory = Math.max(...group.servers.map(memoryMib))
      lines.push([`${count} server${count > 1 ? 's' : ''}: 90 messages a second in 10 rooms of 9`, `CPU ${((used * 1000) / delays.length).toFixed(0)} µs a delivery, delivered after p50 ${ms(median(delays))}, p99 ${ms(quantile(delays, 0.99))}, ${texted.toFixed(0)} texts a second on the bus, ${memory.toFixed(0)} MiB a server`])
      await group.close()
    }
    return lines
  },
}

const wanted = process.env.BENCH_ROWS?.split(',') ?? Object.keys(rows)
console.log('| what | figure |\n|---|---|')
for (const name of wanted) {
  for (const [what, figure] of await rows[name]()) console.log(`| ${what} | ${figure} |`)
}
process.exit(0)
