// The document's connection: npm's Hocuspocus provider, and what it tells about itself in the page's words. No DOM, no editor.

import { HocuspocusProvider } from '@hocuspocus/provider'

/**
 * @param {object} options
 * @param {string} options.room
 * @param {import('yjs').Doc} options.doc
 * @param {{ token: string, renew: () => Promise<void> }} options.guest
 * @param {(state: { status: 'connecting' | 'live' | 'offline' | 'denied', saved: 'saved' | 'saving' | 'unsaved', mayWrite: boolean, reason: string }) => void} options.changed
 */
export function connect ({ room, doc, guest, changed }) {
  let status = 'connecting'
  let reason = ''
  let hasTriedNewToken = false

  const provider = new HocuspocusProvider({
    url: `${location.origin.replace(/^http/, 'ws')}/hocuspocus`,
    name: room,
    document: doc,
    // Asked again whenever the server wants a fresh one.
    token: () => guest.token
  })
  const report = () => changed({
    status,
    // False only when the server has committed everything.
    saved: !provider.hasUnsyncedChanges ? 'saved' : status === 'live' ? 'saving' : 'unsaved',
    mayWrite: status !== 'denied' && provider.authorizedScope !== 'readonly',
    reason
  })
  const become = (next) => {
    status = next
    report()
  }
  provider.on('synced', () => { if (provider.isSynced) become('live') })
  provider.on('status', ({ status: transport }) => { if (transport === 'disconnected' && status !== 'denied') become('offline') })
  provider.on('unsyncedChanges', () => { if (status !== 'connecting') report() })
  provider.on('authenticated', () => {
    hasTriedNewToken = false
    if (provider.isSynced) become('live')
  })
  provider.on('authenticationFailed', async (failed) => {
    reason = failed.reason
    // A key changed on the server ends every token once.
    if (hasTriedNewToken) return become('denied')
    hasTriedNewToken = true
    await guest.renew().then(() => provider.sendToken(), () => become('denied'))
  })
  return provider
}
