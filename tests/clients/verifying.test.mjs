// The snippets of PROTOCOL.md that verify a webhook, as they stand there, each in its language. What signs is `standardwebhooks`.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { Webhook } from 'standardwebhooks'

const run = promisify(execFile)
const protocol = await readFile(new URL('../../docs/PROTOCOL.md', import.meta.url), 'utf8')
const section = /^### Verifying$(.*?)^##/ms.exec(protocol)[1]

/** The one snippet in a language. */
function snippet (language) {
  const found = [...section.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))]
  assert.equal(found.length, 1, `one snippet in ${language}`)
  return found[0][1]
}

const secret = `whsec_${Buffer.from('some bytes of a key ÿ').toString('base64')}`
const body = JSON.stringify({ type: 'message.created', text: 'Grüße ✓' })
/** A delivery, made so many seconds ago. */
function delivery (age, more = {}) {
  const at = new Date(Date.now() - age * 1000)
  const signature = new Webhook(secret).sign('msg_1', at, body)
  const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': String(Math.floor(at / 1000)), 'webhook-signature': signature }
  return { secret, headers, body, ...more, ...(more.headers && { headers: { ...headers, ...more.headers } }) }
}
const good = delivery(0)
const signature = good.headers['webhook-signature']
// Go takes a while to be compiled: the ages have that to spare.
const cases = [
  [true, good],
  [true, delivery(60)],
  [true, delivery(-240)],
  [true, delivery(0, { headers: { 'webhook-signature': `v1,AAAA v2,x ${signature}` } })],
  [false, delivery(310)],
  [false, delivery(-900)],
  [false, delivery(0, { body: `${body} ` })],
  [false, delivery(0, { body: body.replace('ß', 'ss') })],
  [false, delivery(0, { secret: `whsec_${btoa('another key')}` })],
  [false, delivery(0, { headers: { 'webhook-id': 'msg_2' } })],
  [false, delivery(0, { headers: { 'webhook-timestamp': 'now' } })],
  [false, delivery(0, { headers: { 'webhook-signature': '' } })],
  [false, delivery(0, { headers: { 'webhook-signature': signature.slice(0, -4) } })],
]

let folder
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tutti-verifying-'))
  await writeFile(join(folder, 'cases.json'), JSON.stringify(cases.map(([, one]) => one)))
})
after(() => rm(folder, { recursive: true }))

const runners = {
  js: {
    files: {
      'webhook.mjs': snippet('js'),
      'main.mjs': `
        import { readFileSync } from 'node:fs'
        import { verify } from './webhook.mjs'
        const fits = ({ secret, headers, body }) => {
          try { return verify(secret, headers, Buffer.from(body)).type === 'message.created' } catch { return false }
        }
        console.log(JSON.stringify(JSON.parse(readFileSync('cases.json')).map(fits)))`,
    },
    command: [process.execPath, 'main.mjs'],
  },
  python: {
    files: {
      'webhook.py': snippet('python'),
      'main.py': `
import json
from webhook import verify

def fits(secret, headers, body):
    try:
        return verify(secret, headers, body.encode())["type"] == "message.created"
    except ValueError:
        return False

print(json.dumps([fits(**case) for case in json.load(open("cases.json"))]))`,
    },
    command: ['python3', 'main.py'],
  },
  go: {
    files: {
      'webhook.go': snippet('go').replace('package webhook', 'package main'),
      'go.mod': 'module webhook\n\ngo 1.19\n',
      'main.go': `
package main

import ("encoding/json"; "net/http"; "os")

func main() {
	var cases []struct { Secret, Body string; Headers map[string]string }
	text, err := os.ReadFile("cases.json")
	if err != nil { panic(err) }
	if err := json.Unmarshal(text, &cases); err != nil { panic(err) }
	fits := []bool{}
	for _, one := range cases {
		headers := http.Header{}
		for name, value := range one.Headers { headers.Set(name, value) }
		fits = append(fits, Verify(one.Secret, headers, []byte(one.Body)) == nil)
	}
	if err := json.NewEncoder(os.Stdout).Encode(fits); err != nil { panic(err) }
}`,
    },
    command: ['go', 'run', '.'],
  },
}

for (const [language, { files, command: [program, ...options] }] of Object.entries(runners)) {
  test(`the snippet in ${language} takes what fits, and nothing else`, async () => {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
    const { PATH, HOME } = process.env
    const { stdout } = await run(program, options, { cwd: folder, env: { PATH, HOME, GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'local', GOPROXY: 'off', CGO_ENABLED: '0' } })
    const expected = cases.map(([fits]) => fits)
    assert.deepEqual(JSON.parse(stdout), expected)
  })
}
