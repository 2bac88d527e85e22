const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** JSON whose strings any reader accepts: half an emoji (a lone surrogate) becomes U+FFFD. */
export const jsonOf = (message: object): string =>
  JSON.stringify(message).replace(/\\(?:\\|ud[89a-f][0-9a-f]{2})/g, (found) => found === '\\\\' ? found : '\\ufffd')

export const bytesOf = (text: string): number => encoder.encode(text).length

/** lib0's string (the length in bytes, 7 bits a byte, the lowest first; then UTF-8), followed by `bytes`. */
export function withString (text: string, bytes: Uint8Array): Uint8Array {
  const utf8 = encoder.encode(text)
  const length: number[] = []
  let rest = utf8.length
  for (; rest > 127; rest >>>= 7) length.push(rest & 127 | 128)
  length.push(rest)
  const all = new Uint8Array(length.length + utf8.length + bytes.length)
  all.set(length)
  all.set(utf8, length.length)
  all.set(bytes, length.length + utf8.length)
  return all
}

/** Reads such a string at `at`: the string, and where it ends. */
export function readString (bytes: Uint8Array, at: number): [string, number] {
  let length = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]!
    length |= (byte & 127) << shift
    if (!(byte & 128)) break
  }
  return [decoder.decode(bytes.subarray(at, at + length)), at + length]
}

export const bytesFromBase64 = (text: string): Uint8Array => Uint8Array.from(atob(text), (char) => char.charCodeAt(0))

/** Random and hexadecimal. `crypto.randomUUID` would need https. */
export const randomId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('')
