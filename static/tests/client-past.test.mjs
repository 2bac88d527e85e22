import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failure, startInRoom } from './support/client.mjs'

/** What is asked by REST, each answered by the next of `answers`. */
function answering (t, ...answers) {
  const asked = []
  t.mock.method(globalThis, 'fetch', async (url, { method, headers, body }) => {
    const { pathname, searchParams } = new URL(url)
    asked.push({ method, path: pathname, query: Object.fromEntries(searchParams), token: headers.authorization, body: body && JSON.parse(body) })
    return answers.shift()
  })
  return asked
}

const past = async (t) => (await startInRoom(t, { token: 'x.y.z' })).tutti.room('docs/my plan').past
const PATH = '/api/v1/rooms/docs/my%20plan'
const GET = { method: 'GET', token: 'Bearer x.y.z', body: undefined }

test('a document is asked for as it was, at a seq or a time, and read as what its format is', async (t) => {
  const of = await past(t)
  const headers = { 'tutti-seq': '7' }
  const asked = answering(
    t, Response.json({ content: 'one' }, { headers }), new Response('one', { headers }), new Response('{}', { headers }), new Response(Uint8Array.of(0, 0), { headers })
  )
  const time = '2026-11-21T12:16:07.156Z'
  assert.deepEqual(await of.document({ at: 7 }), { seq: 7, content: { content: 'one' } })
  assert.deepEqual(await of.document({ at: new Date(time), format: 'text', root: 'content' }), { seq: 7, content: 'one' })
  assert.deepEqual(await of.document({ at: time, format: 'xml' }), { seq: 7, content: '{}' })
  assert.deepEqual(await of.document({ at: 0, format: 'yjs' }), { seq: 7, content: Uint8Array.of(0, 0) })
  assert.deepEqual(asked, [
    { at: '7' }, { at: time, format: 'text', root: 'content' }, { at: time, format: 'xml' }, { at: '0', format: 'yjs' }
  ].map((query) => ({ ...GET, path: `${PATH}/document`, query })))
})

test('blame, differences, sessions and versions are asked for with what was given', async (t) => {
  const of = await past(t)
  const answers = [{ runs: [] }, { ops: [] }, { sessions: [], next: null }, { versions: [{ seq: 2 }] }, { versions: [] }, { nodes: [] }]
  const asked = answering(t, ...answers.map((answer) => Response.json(answer)))
  assert.deepEqual(await of.blame({ at: 3 }), answers[0])
  assert.deepEqual(await of.diff({ from: 3, root: 'content' }), answers[1])
  assert.deepEqual(await of.activity({ before: 9, limit: 5, gap: 60 }), answers[2])
  assert.deepEqual(await of.versions(), [{ seq: 2 }])
  assert.deepEqual(await of.versions({ automatic: true }), [])
  assert.deepEqual(await of.replay({ root: 'content' }), answers[5])
  assert.deepEqual(asked, [
    ['blame', { at: '3' }], ['diff', { from: '3', root: 'content' }], ['activity', { before: '9', limit: '5', gap: '60' }], ['versions', {}],
    ['versions', { automatic: 'true' }], ['replay', { root: 'content' }]
  ].map(([what, query]) => ({ ...GET, path: `${PATH}/${what}`, query })))
})

test('versions are named, changed and unnamed, and a room goes back, by what the REST API takes', async (t) => {
  const of = await past(t)
  const version = { seq: 2, label: 'Sent', authors: ['ada'], at: '2026-11-21T12:16:07.156Z' }
  const restored = { seq: 9, to: 2, from: 8, inserted: 1, deleted: 3 }
  const asked = answering(t, Response.json(version, { status: 201 }), Response.json(version), new Response(null, { status: 204 }), Response.json(restored))
  assert.deepEqual(await of.nameVersion({ seq: 2, label: 'Sent', meta: { copies: 3 } }), version)
  assert.deepEqual(await of.changeVersion(version, { label: 'Printed' }), version)
  assert.equal(await of.removeVersion(version), undefined)
  assert.deepEqual(await of.restore(2, { ifHead: 8, by: 'bob', key: 'k', dryRun: true }), restored)
  const key = { seq: '2', label: 'Sent' }
  assert.deepEqual(asked.map(({ method, path, query, body }) => [method, path.slice(PATH.length), query, body]), [
    ['POST', '/versions', {}, { seq: 2, label: 'Sent', meta: { copies: 3 } }],
    ['PATCH', '/versions', key, { label: 'Printed' }],
    ['DELETE', '/versions', key, undefined],
    ['POST', '/restore', {}, { ifHead: 8, by: 'bob', key: 'k', dryRun: true, to: 2 }]
  ])
})

test('a refusal says why, and when to ask again', async (t) => {
  const of = await past(t)
  const refusal = (code) => ({ error: { code, message: `it is ${code}` } })
  answering(
    t, Response.json(refusal('changed'), { status: 412 }), Response.json(refusal('rate_limited'), { status: 429, headers: { 'retry-after': '2' } }),
    Response.json(refusal('unavailable'), { status: 503 })
  )
  const told = async (promise) => {
    const { name, code, message, temporary, retryAfterMs } = await failure(promise)
    return [name, code, message, temporary, retryAfterMs]
  }
  assert.deepEqual(await told(of.restore(2, { ifHead: 8 })), ['TuttiError', 'changed', 'it is changed', false, undefined])
  assert.deepEqual(await told(of.blame()), ['TuttiError', 'rate_limited', 'it is rate_limited', true, 2000])
  assert.deepEqual(await told(of.versions()), ['TuttiError', 'unavailable', 'it is unavailable', true, undefined])
})

test('an answer that ends in the middle is none', async (t) => {
  const of = await past(t)
  const cut = new ReadableStream({ pull: (stream) => stream.error(new TypeError('terminated')) })
  answering(t, new Response(cut))
  const { code, temporary } = await failure(of.document({ at: 1, format: 'text' }))
  assert.deepEqual([code, temporary], ['connection_lost', true])
})
