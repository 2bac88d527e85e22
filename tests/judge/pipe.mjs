// The pipe to the server's part: one JSON line a question, one an answer.

import { readSync, writeSync } from 'node:fs'

// Standard output is the pipe.
console.log = console.warn = console.error

/** A pipe may take a part at a time. */
export function say (message) {
  let left = Buffer.from(JSON.stringify(message) + '\n')
  while (left.length) {
    try {
      left = left.subarray(writeSync(1, left))
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error
    }
  }
}

let rest = ''
const chunk = Buffer.alloc(1 << 20)
export function ask (question) {
  say(question)
  let end
  while ((end = rest.indexOf('\n')) < 0) {
    const read = readSync(0, chunk)
    if (read === 0) process.exit(3)
    rest += chunk.toString('latin1', 0, read)
  }
  const line = rest.slice(0, end)
  rest = rest.slice(end + 1)
  return JSON.parse(Buffer.from(line, 'latin1').toString())
}

export const encode = (bytes) => Buffer.from(bytes).toString('base64')
export const decode = (text) => new Uint8Array(Buffer.from(text, 'base64'))
