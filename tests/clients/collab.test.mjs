// The editors' own collaboration libraries over `edit.push`: what they need of a central authority, and nothing else.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as codeMirror from '@codemirror/collab'
import { ChangeSet, EditorState as CodeMirrorState } from '@codemirror/state'
import * as proseMirror from 'prosemirror-collab'
import { schema } from 'prosemirror-schema-basic'
import { EditorState as ProseMirrorState } from 'prosemirror-state'
import { Step } from 'prosemirror-transform'
import { JsonClient } from './support/json.mjs'
import { startServer } from './support/server.mjs'
import { until } from './support/until.mjs'

let server
before(async () => (server = await startServer({ args: ['--rate-user', '100000', '--rate-room', '100000', '--rate-socket', '10000'] })))
after(() => server.close())

class CodeMirrorEditor {
  #state = CodeMirrorState.create({ doc: '', extensions: codeMirror.collab({ startVersion: 0 }) })

  get version() {
    return codeMirror.getSyncedVersion(this.#state)
  }

  sendable() {
    const updates = codeMirror.sendableUpdates(this.#state)
    if (updates.length === 0) return null
    return { steps: updates.map(({ changes }) => changes.toJSON()), clientId: codeMirror.getClientID(this.#state) }
  }

  receive(steps, clientIds) {
    const updates = steps.map((changes, i) => ({ changes: ChangeSet.fromJSON(changes), clientID: clientIds[i] }))
    this.#state = codeMirror.receiveUpdates(this.#state, updates).state
  }

  type(text, at) {
    this.#state = this.#state.update({ changes: { from: Math.min(at, this.#state.doc.length), insert: text } }).state
  }

  get text() {
    return this.#state.doc.toString()
  }
}

class ProseMirrorEditor {
  #state = ProseMirrorState.create({ schema, plugins: [proseMirror.collab({ version: 0 })] })

  get version() {
    return proseMirror.getVersion(this.#state)
  }

  sendable() {
    const sendable = proseMirror.sendableSteps(this.#state)
    return sendable && { steps: sendable.steps.map((step) => step.toJSON()), clientId: sendable.clientID }
  }

  receive(steps, clientIds) {
    const parsed = steps.map((step) => Step.fromJSON(schema, step))
    this.#state = this.#state.apply(proseMirror.receiveTransaction(this.#state, parsed, clientIds))
  }

  type(text, at) {
    this.#state = this.#state.apply(this.#state.tr.insertText(text, Math.min(1 + at, this.#state.doc.content.size - 1)))
  }

  get text() {
    return this.#state.doc.textContent
  }
}

/** An editor and its connection, which may be dropped; it comes back and goes on. */
class Author {
  #isOver = false
  #client = null
  #taken = 0

  constructor(room, sub, editor) {
    Object.assign(this, { room, sub, editor })
    this.working = this.#work()
  }

  async #work() {
    while (!this.#isOver) {
      const client = (this.#client = new JsonClient(server, { as: server.token({ sub: this.sub }) }))
      this.#taken = 0
      try {
        await client.opened()
        await client.joins(this.room)
        for (;;) {
          this.#receiveLive(client)
          if (this.#isOver) break
          const sendable = this.editor.sendable() ?? { steps: [], clientId: 'asks' }
          // Asks from time to time also without steps of its own: what was missed while it was away comes so.
          await this.#push(client, sendable)
          await until(() => client.closed || this.#isOver || this.editor.sendable() || client.heard.length > this.#taken, 'something to do', { withinMs: 300_000 })
          if (client.closed) break
        }
      } catch (error) {
        if (client.closed === null) throw error
      }
      client.drop()
    }
  }

  async #push(client, { steps, clientId }) {
    const { version } = this.editor
    const answer = await client.ask({ type: 'edit.push', room: this.room, version, steps, clientId })
    if (answer.type === 'saved') this.#receive(version, steps, steps.map(() => clientId))
    else if (answer.type === 'edit.rejected') this.#receive(answer.since, answer.steps, answer.clientIds)
    else assert.equal(answer.temporary, true, JSON.stringify(answer))
  }

  #receiveLive(client) {
    for (const message of client.heard.slice(this.#taken)) {
      if (message.type === 'edit.steps') this.#receive(message.version, message.steps, message.clientIds)
    }
    this.#taken = client.heard.length
  }

  #receive(version, steps, clientIds) {
    const known = this.editor.version - version
    if (known >= 0 && known < steps.length) this.editor.receive(steps.slice(known), clientIds.slice(known))
  }

  drop() {
    this.#client?.drop()
  }

  async ends() {
    this.#isOver = true
    this.drop()
    await this.working
  }
}

for (const [name, Editor] of [['@codemirror/collab', CodeMirrorEditor], ['prosemirror-collab', ProseMirrorEditor]]) {
  test(`five editors with ${name} type at once, drop and come back, and converge`, { timeout: 600_000 }, async (t) => {
    const room = `notes/${Editor.name}`
    const authors = ['ada', 'bob', 'cleo', 'dan', 'eve'].map((sub) => new Author(room, sub, new Editor()))
    t.after(() => Promise.all(authors.map((author) => author.ends())))
    const words = 40
    for (let round = 0; round < words; round += 1) {
      authors.forEach((author, i) => author.editor.type(`${author.sub[0]}${i}`, (round * 7 + i * 13) % 50))
      if (round % 10 === 5) authors[round % authors.length].drop()
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    const texts = () => new Set(authors.map(({ editor }) => editor.text))
    const isDone = () => authors.every(({ editor }) => !editor.sendable()) && texts().size === 1
    await until(isDone, 'all editors converge', { withinMs: 200_000, state: () => [...texts()] })
    const [text] = texts()
    assert.equal(text.length, authors.length * words * 2)
    // Who comes later begins at version 0 and gets all of it.
    const late = new Author(room, 'late', new Editor())
    t.after(() => late.ends())
    await until(() => late.editor.text === text, 'a newcomer reads the same')
  })
}
