// The dashboard: what the server says of itself, second by second. Fed by one room through the JSON client, which also brings the page
// back after the server was away.

import { connect } from '/tutti.js'
import { byTestId, h } from '../page/element.js'
import { enter } from '../page/guest.js'
import { createThemeToggle } from '../page/theme.js'
import { createChart } from './chart.js'
import { Samples } from './samples.js'
import { bytes, bytesAxis, count, countAxis } from './scale.js'

const ROOM = 'tutti/stats'
const ENTER_RETRY_MS = 2_000
const COUNTS = { axisOf: countAxis, write: count }
const BYTES = { axisOf: bytesAxis, write: bytes }

const FIGURES = [
  { name: 'activeConnections', title: 'Connections', note: 'open now', ...COUNTS },
  { name: 'messagesPerSecond', title: 'Messages', note: 'per second, from clients', ...COUNTS },
  { name: 'averageMessageSizeBytes', title: 'Message size', note: 'on average', ...BYTES },
  { name: 'disconnectRatePerMinute', title: 'Connections closed', note: 'in the last minute', ...COUNTS },
  { name: 'memoryBytes', title: 'Memory', note: 'of the server process', ...BYTES },
  { name: 'rooms', title: 'Rooms', note: 'in memory', ...COUNTS }
]
const STATUS = { idle: 'Connecting', connecting: 'Connecting', online: 'Live', offline: 'Offline – reconnecting', closed: 'Closed' }

createThemeToggle()
const samples = new Samples()
const cards = FIGURES.map(createCard)
document.getElementById('cards').append(...cards.map(({ element }) => element))
start()

async function start () {
  const guest = await enterPatiently()
  const tutti = connect('/ws', { token: () => guest.freshToken() })
  tutti.on('state', showState)
  tutti.on('error', (error) => console.info(`tutti: ${error.message}`))
  tutti.room(ROOM).on('metric.update', ({ payload }) => {
    samples.add(payload)
    document.body.dataset.at = payload.timestamp
    for (const card of cards) card.draw()
  })
}

async function enterPatiently () {
  for (;;) {
    try {
      return await enter()
    } catch {
      showState({ state: 'offline' })
      await new Promise((resolve) => setTimeout(resolve, ENTER_RETRY_MS))
    }
  }
}

let hasBeenOnline = false
function showState ({ state, reason }) {
  const status = byTestId('status')
  // One attempt after another is one absence.
  const isStillAway = state === 'connecting' && (hasBeenOnline || status.dataset.state === 'offline')
  hasBeenOnline ||= state === 'online'
  if (isStillAway) return
  status.dataset.state = { online: 'live', closed: 'denied', idle: 'connecting' }[state] ?? state
  status.querySelector('.fact-text').textContent = state === 'closed' ? `${STATUS.closed}: ${reason}` : STATUS[state]
  document.body.classList.toggle('is-away', state === 'offline' || state === 'closed')
}

function createCard ({ name, title, note, axisOf, write }) {
  const written = (value) => write(value).filter(Boolean).join(' ')
  const chart = createChart({ axisOf, write: written, label: title })
  const number = h('span', { class: 'number' }, '–')
  const unit = h('span', { class: 'unit' })
  const range = h('span', { class: 'range' })
  const element = h('section', { class: 'figure', 'data-testid': 'figure', 'data-figure': name, 'aria-label': title },
    h('header', { class: 'figure-head' },
      h('h2', {}, title),
      h('p', { class: 'note' }, note),
      h('p', { class: 'value', 'data-testid': 'value' }, number, unit),
      range),
    chart.element)

  return {
    element,
    draw () {
      const points = samples.of(name)
      chart.show({ points, ...samples.span })
      const newest = samples.all.at(-1).figures[name]
      if (typeof newest !== 'number') {
        number.textContent = '–'
        range.textContent = 'not known on this system'
        return
      }
      const [text, unitText] = write(newest)
      element.dataset.value = String(newest)
      number.textContent = text
      unit.textContent = unitText
      const values = points.map(({ value }) => value)
      const most = written(Math.max(...values))
      range.textContent = `peak ${most}`
      chart.describe(`${written(newest)} now, between ${written(Math.min(...values))} and ${most} since this page shows them`)
    }
  }
}
