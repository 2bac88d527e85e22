import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import * as codeMirror from '@codemirror/collab'
import { ChangeSet, EditorState as CodeMirrorState } from '@codemirror/state'
import * as proseMirror from 'prosemirror-collab'
import { schema } from 'prosemirror-schema-basic'
import { EditorState as ProseMirrorState } from 'prosemirror-state'
import { Step } from 'prosemirror-transform'
import WebSocket from 'ws'
import { connect } from '../client/tutti.js'
import { startServer, until } from './support/json-server.mjs'

/** The guide's own example, so that it is known to work. */
async function followOfTheGuide () {
  const guide = await readFile(new URL('../../docs/CLIENT.md', import.meta.url), 'utf8')
  const [, code] = /```js\n([^`]*export function follow[^]*?)```/.exec(guide)
  return (await import(`data:text/javascript,${encodeURIComponent(code)}`)).follow
}

/** Orders what is pushed, as the server does; each connection of `server` that comes is served. */
function serveSteps (server) {
  const [steps, clientIds, peers] = [[], [], new Set()]
  const serve = async (peer) => {
    peers.add(peer)
    await peer.welcome().admit()
    for (;;) {
      const { requestId, version, steps: pushed, clientId } = await peer.take('edit.push')
      if (pushed.length === 0 || version !== steps.length) {
        const missed = { steps: steps.slice(version), clientIds: clientIds.slice(version) }
        peer.send({ type: 'edit.rejected', room: 'notes', requestId, version: steps.length, since: version, ...missed })
        continue
      }
      steps.push(...pushed)
      clientIds.push(...pushed.map(() => clientId))
      const live = { room: 'notes', user: 'u', name: 'U', timestamp: 't', seq: steps.length, version, steps: pushed, clientIds: pushed.map(() => clientId) }
      for (const each of peers) each.send({ type: 'edit.steps', ...live })
      peer.send({ type: 'saved', room: 'notes', seq: steps.length, timestamp: 't', version: steps.length, requestId })
    }
  }
  return { steps, accept: async () => { serve(await server.accept()).catch(() => {}) } }
}

function codeMirrorEditor () {
  let state = CodeMirrorState.create({ doc: '', extensions: codeMirror.collab({ startVersion: 0 }) })
  return {
    version: () => codeMirror.getSyncedVersion(state),
    sendable () {
      const updates = codeMirror.sendableUpdates(state)
      if (updates.length === 0) return null
      const steps = updates.map(({ changes }) => changes.toJSON())
      return { version: codeMirror.getSyncedVersion(state), steps, clientId: codeMirror.getClientID(state) }
    },
    receive (steps, clientIds) {
      const updates = steps.map((changes, index) => ({ changes: ChangeSet.fromJSON(changes), clientID: clientIds[index] }))
      state = codeMirror.receiveUpdates(state, updates).state
    },
    type (text, at) { state = state.update({ changes: { from: Math.min(at, state.doc.length), insert: text } }).state },
    text: () => state.doc.toString()
  }
}

function proseMirrorEditor () {
  let state = ProseMirrorState.create({ schema, plugins: [proseMirror.collab({ version: 0 })] })
  return {
    version: () => proseMirror.getVersion(state),
    sendable () {
      const sendable = proseMirror.sendableSteps(state)
      return sendable && { version: sendable.version, steps: sendable.steps.map((step) => step.toJSON()), clientId: sendable.clientID }
    },
    receive (steps, clientIds) {
      state = state.apply(proseMirror.receiveTransaction(state, steps.map((step) => Step.fromJSON(schema, step)), clientIds))
    },
    type (text, at) { state = state.apply(state.tr.insertText(text, Math.min(1 + at, state.doc.content.size - 1))) },
    text: () => state.doc.textContent
  }
}

for (const [name, makeEditor] of [['@codemirror/collab', codeMirrorEditor], ['prosemirror-collab', proseMirrorEditor]]) {
  test(`two editors with ${name} converge over the guide's example, also when they type at the same time`, async (t) => {
    const follow = await followOfTheGuide()
    const server = await startServer()
    const authority = serveSteps(server)
    const pairs = []
    for (let i = 0; i < 2; i++) {
      const tutti = connect(server.url, { token: 't', WebSocket })
      t.after(() => tutti.close())
      await authority.accept()
      const editor = makeEditor()
      pairs.push({ editor, ...follow(tutti.room('notes'), editor) })
    }
    t.after(() => server.stop())
    const all = []
    for (let i = 0; i < 100; i++) {
      for (const [index, { editor, push }] of pairs.entries()) {
        const text = `<${index}:${i}>`
        all.push(text)
        editor.type(text, i * 7 % 50)
        push()
      }
      if (i % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    const [ada, bob] = pairs.map(({ editor }) => editor)
    await until(() => ada.sendable() === null && bob.sendable() === null && ada.version() === authority.steps.length && bob.version() === ada.version())
    assert.equal(ada.text(), bob.text())
    assert.equal(ada.text().length, all.join('').length)
  })
}
