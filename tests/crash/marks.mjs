// A mark is what a typist types: unique, of fixed length, one insertion of its own. So a text of marks shows what is missing,
// what stands twice and what is torn, and a Yjs clock says which mark it belongs to.

/** UTF-16 units of a mark, which are its clocks too. */
export const markLength = 11
/** Typists have two digits, marks six. */
export const typistsMax = 99

const digits = (number, count) => String(number).padStart(count, '0')

/** The mark `number` (from 0) of a typist (from 1). */
export const mark = (typist, number) => `⟦${digits(typist, 2)}:${digits(number, 6)}⟧`

/** How often each mark stands in a text, and the text between marks, which should be empty. */
export function count(text) {
  const counts = new Map()
  const torn = text.replace(/⟦\d\d:\d{6}⟧/g, (found) => {
    counts.set(found, (counts.get(found) ?? 0) + 1)
    return ''
  })
  return { counts, torn }
}
