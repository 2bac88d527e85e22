// What documents and guests are called: which names the server accepts, and pleasant ones for those who have not chosen.
// Pure: no DOM, no network.

const DOCUMENT_NAME_BYTES_MAX = 150
const GUEST_NAME_CHARS_MAX = 40

const PLAYERS = [
  'Clara', 'Miles', 'Nadia', 'Ella', 'Django', 'Hildegard', 'Joni', 'Ravi', 'Fela', 'Amadé', 'Nina', 'Erik', 'Lili', 'Astor',
  'Cesária', 'Duke', 'Fanny', 'Ludwig', 'Mercedes', 'Paco', 'Sona', 'Thelonious', 'Violeta', 'Yo-Yo'
]
const INSTRUMENTS = ['Cello', 'Oboe', 'Viola', 'Harp', 'Celesta', 'Bassoon', 'Kora', 'Flute', 'Sitar', 'Horn', 'Lute', 'Marimba']
const MOODS = [
  'allegro', 'andante', 'cantabile', 'dolce', 'giocoso', 'grazioso', 'largo', 'leggero', 'legato', 'sereno', 'tranquillo', 'vivace'
]
const FORMS = ['aria', 'ballad', 'canon', 'duet', 'etude', 'fugue', 'nocturne', 'overture', 'prelude', 'rondo', 'serenade', 'waltz']

const pick = (list) => list[Math.floor(Math.random() * list.length)]

export const randomGuestName = () => Math.random() < 0.7 ? pick(PLAYERS) : pick(INSTRUMENTS)

export const randomDocumentName = () => `${pick(MOODS)}-${pick(FORMS)}-${100 + Math.floor(Math.random() * 900)}`

/** What a person typed as their own name, fit to show; empty if nothing is left. A tilde would end the shown name. */
export const cleanGuestName = (typed) =>
  [...typed.replace(/[\p{C}~]/gu, ' ').replace(/\s+/g, ' ').trim()].slice(0, GUEST_NAME_CHARS_MAX).join('').trim()

/** What a name may hold beyond ASCII: what can be seen. As src/ids/letters.rs has it for the server. */
const BEYOND_ASCII = String.raw`(?![\0-\x7f\p{Default_Ignorable_Code_Point}\u2800\ufffc\ufffd])[\p{L}\p{M}\p{N}\p{P}\p{S}]`
const ALLOWED = new RegExp(`^(?:[A-Za-z0-9._~:@/ -]|${BEYOND_ASCII})+$`, 'u')

const bytesOf = (text) => new TextEncoder().encode(text).length

/** Whether the server accepts this as a document's name. */
export const isDocumentName = (name) =>
  ALLOWED.test(name) && name === name.normalize('NFC') && bytesOf(name) <= DOCUMENT_NAME_BYTES_MAX &&
  name.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..')

/** The document name meant by what a person typed, in any letters; empty if nothing usable is left. */
export const slugify = (typed) => shortened(typed
  .toLowerCase().normalize('NFC')
  .replace(/\p{Default_Ignorable_Code_Point}+/gu, '')
  .replace(/[^\p{L}\p{M}\p{N}\p{So}._~:@/]+|[\u2800\ufffc\ufffd]+/gu, '-'))
  .normalize('NFC')
  .split('/').map((segment) => segment.replace(/^[-.]+|[-.]+$/g, '')).filter(Boolean).join('/')

/** As much of a name as fits, without half a character. */
function shortened (name) {
  let bytes = 0
  return [...name].filter((character) => (bytes += bytesOf(character)) <= DOCUMENT_NAME_BYTES_MAX).join('')
}

/** A name without what turns the direction of the text that the page writes behind it. */
export const withoutTurns = (name) => name.replace(/[\u202a-\u202e\u2066-\u2069]/g, '')

/** The name that a person sees for a user: what stands before the tilde. */
export const shownName = (user) => withoutTurns(user.split('~', 1)[0] || user)
