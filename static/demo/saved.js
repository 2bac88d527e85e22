// Whether the server has committed what this window typed. It echoes a client's frames only after their commit, in order, so an
// empty update serves as a barrier: when it comes back, everything sent before it is kept. Knows the provider's sync frames; no DOM.

/** A sync message of type Update that holds the empty update. */
const BARRIER = Uint8Array.of(0, 2, 2, 0, 0)
const SYNC_STEP_1 = 0
/** Typing asks once in this time, not once a key. */
const ASK_DELAY_MS = 120

const isBarrier = (frame) => frame.length === BARRIER.length && frame.every((byte, index) => byte === BARRIER[index])

/**
 * Watches a `WebsocketProvider` and tells `changed` each new state:
 * `saved`, `saving` (sent, not yet committed) or `unsaved` (no connection to send it over).
 * @param {{ isDirty?: boolean, changed: (state: 'saved' | 'saving' | 'unsaved') => void }} options
 *   `isDirty`: the document already holds edits that nobody has confirmed.
 */
export function watchSaved (provider, { isDirty = false, changed }) {
  let state = null
  let hasChangedSinceAsked = false
  let isAsking = false
  /** Edits made while away travel in the answer to the server's Step1: a barrier before that answer would prove nothing. */
  let hasOfferedAll = false
  let timer = 0

  const report = () => {
    const now = !isDirty ? 'saved' : provider.wsconnected ? 'saving' : 'unsaved'
    if (now !== state) changed(state = now)
  }

  const ask = () => {
    if (!isDirty || isAsking || !hasOfferedAll) return
    isAsking = true
    hasChangedSinceAsked = false
    provider.ws.send(BARRIER)
  }

  const askSoon = () => {
    timer ||= setTimeout(() => {
      timer = 0
      ask()
    }, ASK_DELAY_MS)
  }

  const onAnswer = () => {
    isAsking = false
    if (hasChangedSinceAsked) askSoon()
    else isDirty = false
    report()
  }

  const onOffered = () => {
    hasOfferedAll = provider.wsconnected
    hasChangedSinceAsked ||= isAsking
    ask()
  }

  const onUpdate = (_update, origin) => {
    if (origin === provider) return
    isDirty = true
    hasChangedSinceAsked = true
    askSoon()
    report()
  }

  const onStatus = ({ status }) => {
    if (status !== 'connected') {
      isAsking = false
      hasOfferedAll = false
    }
    report()
  }

  const readSync = provider.messageHandlers[0]
  provider.messageHandlers[0] = (encoder, decoder, ...rest) => {
    const frame = decoder.arr
    if (isBarrier(frame)) return onAnswer()
    readSync(encoder, decoder, ...rest)
    // The provider sends its answer after this returns.
    if (frame[1] === SYNC_STEP_1) queueMicrotask(onOffered)
  }
  provider.doc.on('update', onUpdate)
  provider.on('status', onStatus)
  report()

  return {
    get isDirty () { return isDirty },
    stop () {
      clearTimeout(timer)
      provider.doc.off('update', onUpdate)
      provider.off('status', onStatus)
    }
  }
}
