// Who is here: the list in the side panel and the small stack of avatars in the bar. From two sources that the server makes one of:
// awareness, which has the cursors, and the room's presence, which has everybody, whatever they speak. This window's guest stands first,
// with a name that can be typed over.

import { initialsOf } from './colours.js'
import { byTestId, h } from './element.js'
import { cleanGuestName } from './names.js'
import { personOf } from './person.js'

const STACK_MAX = 3
const LIST_MAX = 100

export const avatar = (name, colour) => h('span', { class: 'avatar', '--who': colour, 'aria-hidden': 'true' }, initialsOf(name))

/** One entry a user, whatever number of windows shows them, the own one first. @param {import('/tutti.js').Presence | null} presence */
function peopleIn (awareness, presence, ownUser) {
  const people = new Map()
  for (const [client, state] of awareness.getStates()) {
    if (!state?.user) continue
    const person = personOf(client, state)
    const isOwn = client === awareness.clientID || person.user === ownUser
    if (!people.has(person.user) || isOwn) people.set(person.user, { ...person, isOwn, cursor: state.cursor })
  }
  for (const { user, name } of presence?.users.values() ?? []) {
    if (!people.has(user) && user !== ownUser) people.set(user, personOf(0, { user: { user, name } }))
  }
  return [...people.values()].sort((a, b) => b.isOwn - a.isOwn || a.name.localeCompare(b.name, undefined, { numeric: true }))
}

/** @param {{ onRename: (name: string) => Promise<void>, onReveal: (person: { user: string, cursor: object }) => void, onChange: () => void }} options */
export function createPeople ({ onRename, onReveal, onChange }) {
  const list = byTestId('people')
  const count = document.getElementById('people-count')
  const stack = document.getElementById('people-stack')
  const told = document.getElementById('people-told')
  const own = ownRow(onRename)
  let awareness = null
  /** Null while its connection is lost: what it says is old then. */
  let presence = null
  let talk = null
  let ownUser = ''
  let drawn = ''

  const people = () => awareness ? peopleIn(awareness, presence, ownUser) : []

  const draw = () => {
    const here = people()
    const look = JSON.stringify(here.map(({ user, name, colour }) => [user, name, colour]))
    if (look === drawn) return
    drawn = look
    const others = here.filter(({ isOwn }) => !isOwn)
    own.show(here.find(({ isOwn }) => isOwn))
    // The own row stays in place, so that a name half typed is not lost when someone comes or goes.
    for (const row of [...list.children]) if (row !== own.element) row.remove()
    if (!own.element.isConnected) list.prepend(own.element)
    list.append(...others.slice(0, LIST_MAX).map(otherRow))
    count.textContent = String(here.length)
    stack.replaceChildren(
      ...here.slice(0, STACK_MAX).map(({ name, colour }) => avatar(name, colour)),
      ...(here.length > STACK_MAX ? [h('span', { class: 'avatar avatar-more' }, `+${here.length - STACK_MAX}`)] : []))
    told.textContent = `, ${here.length} here`
    onChange()
  }

  const otherRow = ({ user, name, colour }) => h('li', { 'data-testid': 'person', 'data-user': user },
    h('button', {
      class: 'person',
      type: 'button',
      title: `Go to ${name}’s cursor`,
      onclick: () => {
        const person = people().find((person) => person.user === user)
        if (person?.cursor) onReveal(person)
      }
    }, avatar(name, colour), h('span', { class: 'person-name' }, name)))

  return {
    /** Shows who is in a document from now on. */
    follow (newAwareness, user) {
      awareness?.off('change', draw)
      awareness = newAwareness
      ownUser = user
      drawn = ''
      awareness.on('change', draw)
    },
    /** Shows who is in a room, too. @param {{ tutti: import('/tutti.js').Tutti, room: import('/tutti.js').Room }} newTalk */
    followTalk (newTalk) {
      talk = newTalk
      presence = null
      const use = (isKnown) => {
        if (newTalk !== talk) return
        presence = isKnown ? newTalk.room.presence : null
        draw()
      }
      newTalk.room.on('presence', () => use(true))
      newTalk.tutti.on('state', ({ state }) => { if (state !== 'online') use(false) })
    },
    /** Who is here, the own person first. */
    everybody: people,
    /** The colour by which a user who is here goes; null for one who is not. */
    colourOfPresent: (user) => people().find((person) => person.user === user)?.colour ?? null
  }
}

function ownRow (onRename) {
  let name = ''
  const face = h('span', { class: 'own-face' })
  const error = h('p', { class: 'field-error', role: 'alert', hidden: true })
  const input = h('input', {
    'data-testid': 'name',
    'aria-label': 'Your name',
    class: 'own-name',
    maxlength: '40',
    autocomplete: 'nickname',
    spellcheck: 'false',
    onkeydown: (event) => {
      if (event.key === 'Escape') input.value = name
      if (event.key === 'Enter' || event.key === 'Escape') input.blur()
    },
    onchange: async () => {
      const typed = cleanGuestName(input.value)
      input.value = typed || name
      if (!typed || typed === name) return
      input.setAttribute('aria-busy', 'true')
      // One name after the other: what is on its way is said under the one before.
      input.readOnly = true
      try {
        await onRename(typed)
        error.hidden = true
      } catch {
        input.value = name
        error.textContent = 'The server does not answer. Your name is unchanged.'
        error.hidden = false
      } finally {
        input.removeAttribute('aria-busy')
        input.readOnly = false
      }
    }
  })
  return {
    element: h('li', { 'data-testid': 'person', class: 'person person-own' }, face, input, h('span', { class: 'tag' }, 'you'), error),
    show (person) {
      if (!person) return
      name = person.name
      face.replaceChildren(avatar(name, person.colour))
      if (document.activeElement !== input) input.value = name
    }
  }
}
