import assert from 'node:assert/strict'
import { beforeEach, mock, test } from 'node:test'
import { ObservableV2 } from 'lib0/observable'
import { watchSaved } from '../demo/saved.js'

const BARRIER = '0,2,2,0,0'
const STEP_1 = Uint8Array.of(0, 0, 1, 0)
const OTHERS_EDIT = Uint8Array.of(0, 2, 3, 1, 1, 1)

/** As much of a provider as is watched: frames in, frames out, status, and a document that tells its updates. */
class Provider extends ObservableV2 {
  doc = new ObservableV2()
  messageHandlers = [() => {}]
  wsconnected = false
  sent = []
  ws = { send: (frame) => this.sent.push(String(frame)) }

  connect () {
    this.wsconnected = true
    this.emit('status', [{ status: 'connected' }])
  }

  disconnect () {
    this.wsconnected = false
    this.emit('status', [{ status: 'disconnected' }])
  }

  async receive (frame) {
    this.messageHandlers[0](null, { arr: frame })
    await Promise.resolve()
  }

  type () { this.doc.emit('update', [new Uint8Array(), 'editor']) }
}

let provider, states, watch
const start = (isDirty = false) => {
  provider = new Provider()
  states = []
  watch = watchSaved(provider, { isDirty, changed: (state) => states.push(state) })
}
const join = async () => {
  provider.connect()
  await provider.receive(STEP_1)
}
const pause = () => mock.timers.tick(1_000)
const answer = () => provider.receive(Uint8Array.of(0, 2, 2, 0, 0))

beforeEach(() => {
  mock.timers.reset()
  mock.timers.enable({ apis: ['setTimeout'] })
  start()
})

test('nothing typed is saved, and nothing is asked', async () => {
  await join()
  pause()
  assert.deepEqual(states, ['saved'])
  assert.deepEqual(provider.sent, [])
})

test('an edit is saved when the barrier behind it comes back, not before', async () => {
  await join()
  provider.type()
  assert.deepEqual(states, ['saved', 'saving'])
  pause()
  assert.deepEqual(provider.sent, [BARRIER])
  await provider.receive(OTHERS_EDIT)
  assert.equal(states.at(-1), 'saving')
  await answer()
  assert.equal(states.at(-1), 'saved')
  assert.equal(watch.isDirty, false)
})

test('many keys ask once', async () => {
  await join()
  for (let i = 0; i < 50; i++) provider.type()
  pause()
  assert.equal(provider.sent.length, 1)
})

test('at most one barrier is out, and typing behind it asks for another', async () => {
  await join()
  provider.type()
  pause()
  provider.type()
  pause()
  assert.equal(provider.sent.length, 1)
  await answer()
  assert.equal(states.at(-1), 'saving')
  pause()
  assert.equal(provider.sent.length, 2)
  await answer()
  assert.equal(states.at(-1), 'saved')
})

test('edits without a connection are unsaved until they were offered and confirmed', async () => {
  await join()
  provider.disconnect()
  provider.type()
  pause()
  assert.equal(states.at(-1), 'unsaved')
  provider.connect()
  pause()
  assert.deepEqual(provider.sent, [], 'a barrier before the answer to Step1 proves nothing')
  await provider.receive(STEP_1)
  assert.deepEqual(provider.sent, [BARRIER])
  await answer()
  assert.equal(states.at(-1), 'saved')
})

test('a barrier lost with its connection is asked again on the next', async () => {
  await join()
  provider.type()
  pause()
  provider.disconnect()
  await join()
  assert.equal(provider.sent.length, 2)
  await answer()
  assert.equal(states.at(-1), 'saved')
})

test('a server that asks for what it may lack is believed only after another barrier', async () => {
  await join()
  provider.type()
  pause()
  await provider.receive(STEP_1)
  await answer()
  assert.equal(states.at(-1), 'saving')
  pause()
  await answer()
  assert.equal(states.at(-1), 'saved')
})

test('a document that holds unconfirmed edits begins unsaved', async () => {
  start(true)
  assert.deepEqual(states, ['unsaved'])
  await join()
  await answer()
  assert.equal(states.at(-1), 'saved')
})

test('what the server brings is no edit of ours', async () => {
  await join()
  provider.doc.emit('update', [new Uint8Array(), provider])
  assert.deepEqual(states, ['saved'])
})
