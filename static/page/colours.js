// The colours people are known by. A colour follows from the user, so that cursor, avatar and history agree in every window.
// Pure: no DOM, no network.

/** Each carries white text and stands out on the light and on the dark page. */
const PALETTE = ['#b4472e', '#a8650f', '#64762a', '#2d7d53', '#1f7a80', '#2f6fb0', '#5e5fc0', '#8a4fae', '#b03f86', '#b93c5d']

/** Neighbours in the palette look alike. This and the palette's length have no common divisor, so that steps reach every colour. */
const STEP = 3

/** FNV-1a. */
function indexOf (user) {
  let hash = 2166136261
  for (const char of user) hash = Math.imul(hash ^ char.codePointAt(0), 16777619)
  return (hash >>> 0) % PALETTE.length
}

/** @param {string} user  @returns {string} `#rrggbb` */
export const colourOf = (user) => PALETTE[indexOf(user)]

/** A colour that nobody in `taken` has, the user's own if possible. */
export function freeColour (user, taken) {
  const first = indexOf(user)
  const colours = PALETTE.map((_, index) => PALETTE[(first + index * STEP) % PALETTE.length])
  return colours.find((colour) => !taken.has(colour)) ?? colours[0]
}

/** Whether a colour that came over the network is one: anything else could carry styles of its own. */
export const isColour = (value) => typeof value === 'string' && /^#[0-9a-f]{6}$/i.test(value)

/** The colour of selections. */
export const lightOf = (colour) => `${colour}38`

/** One or two letters for an avatar. */
export function initialsOf (name) {
  const words = name.split(/[\s_.-]+/).filter(Boolean)
  if (words.length === 0) return '?'
  const first = [...words[0]]
  const letters = words.length > 1 ? first[0] + [...words.at(-1)][0] : first.slice(0, 2).join('')
  return letters.length > 1 ? letters[0].toUpperCase() + letters.slice(1) : letters.toUpperCase()
}
