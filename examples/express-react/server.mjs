// A back end whose articles are rows of its own database. Tutti has an article while people write it: it asks for the first content, and
// tells when something has changed. Your application has its own users in place of ?user=.
import Database from 'better-sqlite3'
import express from 'express'
import { mintToken, TuttiServer, verifySignature, verifyWebhook } from 'tutti/server'

const { DATABASE = 'articles.db', PORT = '3000', TUTTI_URL = 'http://127.0.0.1:8080' } = process.env
const { TUTTI_JWT_SECRET, TUTTI_SEED_SECRET, TUTTI_WEBHOOK_SECRET } = process.env // as the server has them

const tutti = new TuttiServer(TUTTI_URL, { secret: TUTTI_JWT_SECRET })
const roomOf = (id) => `articles/${id}`
const idOf = (room) => Number(/^articles\/([1-9]\d{0,14})$/.exec(room)?.[1] ?? 0) // 0, which no row has: articles/01 is not article 1
const root = 'default' // where Tiptap has its text

const database = new Database(DATABASE)
database.exec(`create table if not exists articles (
  id integer primary key autoincrement,
  title text not null,
  body text not null, -- as Tiptap's getJSON gives it
  seq integer not null default 0, -- up to which entry of the room the body is
  changed_at text not null
)`)
const statements = {
  list: database.prepare('select id, title, changed_at as changedAt from articles order by changed_at desc, id desc limit 100'),
  one: database.prepare('select body from articles where id = ?'),
  add: database.prepare('insert into articles (title, body, changed_at) values (?, ?, ?)'),
  remove: database.prepare('delete from articles where id = ?'),
  // Deliveries may come again, or late: what is older than the row is left.
  save: database.prepare('update articles set title = @title, body = @body, seq = @seq, changed_at = @at where id = @id and seq < @seq')
}
const textOf = ({ text = '', content = [] }) => text + content.map(textOf).join('')
const add = (title) => {
  const body = { type: 'doc', content: [{ type: 'heading', attrs: { level: 1 }, content: [{ type: 'text', text: title }] }] }
  return statements.add.run(title, JSON.stringify(body), new Date().toISOString()).lastInsertRowid
}
if (statements.list.all().length === 0) add('Written long before Tutti')

const app = express()
app.use(express.static(new URL('public', import.meta.url).pathname))
app.get('/config', (_request, response) => response.json({ server: TUTTI_URL.replace('http', 'ws') }))
app.get('/token', async ({ query: { user = 'ada' } }, response) => {
  response.type('text/plain').send(await mintToken(TUTTI_JWT_SECRET, { sub: String(user), rooms: [{ room: 'articles/*', access: 'write' }] }))
})
app.get('/articles', (_request, response) => response.json(statements.list.all()))
app.post('/articles', express.json(), ({ body: { title } }, response) => {
  if (typeof title !== 'string' || !title || title.length > 200) return response.sendStatus(400)
  response.status(201).json({ id: add(title) })
})

// The room first: with it go those who are writing, and what they might still send.
app.delete('/articles/:id', async ({ params: { id } }, response) => {
  if (!idOf(roomOf(id))) return response.sendStatus(404)
  await tutti.deleteRoom(roomOf(id)).catch((error) => { if (error.code !== 'room_not_found') throw error }) // nobody has opened it yet
  statements.remove.run(id)
  response.sendStatus(204)
})

// #region seed
app.get('/seed', async ({ query: { room }, headers }, response) => {
  await verifySignature(TUTTI_SEED_SECRET, headers, String(room))
  const article = statements.one.get(idOf(room))
  if (!article) return response.sendStatus(404)
  response.set({ 'tutti-format': 'prosemirror', 'tutti-root': root }).type('json').send(article.body)
})
// #endregion

// #region webhook
app.post('/webhook', express.raw({ type: 'application/json' }), async ({ headers, body }, response) => {
  const event = await verifyWebhook(TUTTI_WEBHOOK_SECRET, headers, body)
  if (event.type === 'document.changed' && idOf(event.room)) {
    const { content, seq } = await tutti.readDocument(event.room, { format: 'prosemirror', root })
    const title = textOf(content.content[0] ?? {}).slice(0, 200) || 'Untitled'
    statements.save.run({ id: idOf(event.room), title, body: JSON.stringify(content), seq, at: event.timestamp })
  }
  response.sendStatus(204) // anything else, and it is told again
})
// #endregion

app.use((error, _request, response, _next) => {
  if (error.code !== 'invalid_signature') console.error(error)
  response.sendStatus(error.code === 'invalid_signature' ? 401 : 500)
})
const listening = app.listen(Number(PORT), '127.0.0.1', () => console.log(`http://127.0.0.1:${listening.address().port}/?user=ada`))
