import assert from 'node:assert/strict'
import { beforeEach, mock, test } from 'node:test'
import { ObservableV2 } from 'lib0/observable'
import { describeSync, watchWebsocketProvider } from '../client/tutti.js'

const BARRIER = '0,2,2,0,0'
const STEP_1 = Uint8Array.of(0, 0, 1, 0)
const OTHERS_EDIT = Uint8Array.of(0, 2, 3, 1, 1, 1)

/** As much of a provider as is watched: frames in, frames out, status, and a document that tells its updates. */
class Provider extends ObservableV2 {
  doc = new ObservableV2()
  messageHandlers = [() => {}, null, () => {}]
  wsconnected = false
  wsLastMessageReceived = 0
  shouldConnect = true
  synced = false
  sent = []
  ws = { send: (frame) => this.sent.push(String(frame)) }

  connect () {
    this.wsconnected = true
    this.emit('status', [{ status: 'connected' }])
    this.emit('sync', [true])
  }

  disconnect () {
    this.wsconnected = false
    this.emit('status', [{ status: 'disconnected' }])
  }

  async receive (frame) {
    this.wsLastMessageReceived = Date.now()
    this.messageHandlers[frame[0]](null, { arr: frame, pos: 1 })
    await Promise.resolve()
  }

  type () { this.doc.emit('update', [new Uint8Array(), 'editor']) }
}

let provider, states, watch
const savedState = ({ connection, isSaved }) => isSaved ? 'saved' : connection === 'online' ? 'saving' : 'unsaved'
const start = (isDirty = false) => {
  provider = new Provider()
  watch = watchWebsocketProvider(provider, { isDirty })
  states = [savedState(watch.state)]
  watch.on('change', (state) => { if (savedState(state) !== states.at(-1)) states.push(savedState(state)) })
}
const join = async () => {
  provider.connect()
  await provider.receive(STEP_1)
}
const pause = () => mock.timers.tick(500)
const answer = () => provider.receive(Uint8Array.of(0, 2, 2, 0, 0))

beforeEach(() => {
  mock.timers.reset()
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 })
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
  assert.equal(watch.state.isSaved, true)
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

const says = () => describeSync(watch.state, Date.now())

test('the age of what is not saved is told', async () => {
  assert.equal(says(), 'Connecting…')
  await join()
  assert.equal(says(), 'Saved')
  provider.type()
  assert.equal(says(), 'Saving…')
  mock.timers.tick(2_900)
  provider.wsLastMessageReceived = Date.now()
  assert.equal(says(), 'Saving…')
  mock.timers.tick(4_100)
  provider.wsLastMessageReceived = Date.now()
  assert.equal(says(), 'Not saved yet: 7 s')
  provider.disconnect()
  assert.equal(says(), 'Offline – not saved: 7 s')
  await join()
  await answer()
  assert.equal(says(), 'Saved')
})

test('a reader is told so, and a refusal with its reason', async () => {
  const refusals = []
  watch.on('refused', ({ reason }) => refusals.push(reason))
  await join()
  const stop = watch.takeAccess({ access: 'read', on: () => () => {} })
  assert.equal(says(), 'View only')
  await provider.receive(Uint8Array.of(2, 0, 2, 110, 111))
  assert.deepEqual(refusals, ['no'])
  stop()
})

test('a line that owes an acknowledgement and is silent is asked, and offline when it stays silent', async () => {
  await join()
  provider.type()
  mock.timers.tick(3_000)
  assert.ok(provider.sent.includes('3'), 'it was asked for a sign of life')
  assert.equal(watch.state.connection, 'online')
  provider.connect = () => {}
  mock.timers.tick(5_000)
  assert.match(says(), /^Offline/)
})

test('a line that answers stays online, however late the acknowledgement', async () => {
  await join()
  provider.type()
  for (let s = 0; s < 30; s++) {
    mock.timers.tick(1_000)
    if (provider.sent.includes('3')) provider.wsLastMessageReceived = Date.now()
  }
  assert.equal(says(), 'Not saved yet: 30 s')
})

test('nothing said for the heartbeat is a reason to ask, too', async () => {
  await join()
  provider.wsLastMessageReceived = Date.now()
  mock.timers.tick(20_000)
  assert.deepEqual(provider.sent, ['3'])
  provider.connect = () => {}
  mock.timers.tick(5_000)
  assert.equal(says(), 'Offline')
})
