// The share popover: who is here, a link to edit, a link to view, and a second window for whoever is alone.

import { copy } from './clipboard.js'
import { byTestId, h } from './element.js'
import { avatar } from './people.js'
import { toast } from './toast.js'

const PEOPLE_MAX = 8
const isThisMachineOnly = /^(localhost|127\.|\[::1\])/.test(location.hostname)
const ELSEWHERE = isThisMachineOnly ? ' It opens on this computer.' : ''

/** Opens the page once more, both side by side where the screen allows it. */
function openBeside (url) {
  const { availWidth, availHeight, availLeft = 0, availTop = 0 } = screen
  const width = Math.floor(availWidth / 2)
  open(url, '_blank', `popup,width=${width},height=${availHeight},left=${availLeft + width},top=${availTop}`)
}

/** @param {{ editLink: string, viewLink: string, mayEdit: boolean, people: () => { name: string, colour: string, isOwn: boolean }[] }} options */
export function createShare ({ editLink, viewLink, mayEdit, people }) {
  const panel = document.getElementById('share-panel')
  const list = byTestId('share-people')
  const edit = byTestId('copy-edit-link')

  const copyLink = (link, says) => async () => {
    toast(await copy(link) ? `${says}${ELSEWHERE}` : `Copy this link: ${link}`)
  }
  const draw = () => {
    const here = people()
    const rows = here.slice(0, PEOPLE_MAX).map(({ name, colour, isOwn }) =>
      h('li', {}, avatar(name, colour), h('span', {}, name), isOwn && h('span', { class: 'tag' }, 'you')))
    if (here.length > PEOPLE_MAX) rows.push(h('li', { class: 'share-more' }, `and ${here.length - PEOPLE_MAX} more`))
    list.replaceChildren(...rows)
  }
  edit.addEventListener('click', copyLink(editLink, 'Link copied. Anyone with it can edit.'))
  // Who may only view hands on no more than that.
  edit.closest('.share-link').hidden = !mayEdit
  byTestId('copy-view-link').addEventListener('click', copyLink(viewLink, 'Link copied. Anyone with it can view.'))
  byTestId('second-window').addEventListener('click', () => {
    panel.hidePopover()
    openBeside(mayEdit ? editLink : viewLink)
  })
  panel.addEventListener('beforetoggle', ({ newState }) => { if (newState === 'open') draw() })
  return { redraw: () => { if (panel.matches(':popover-open')) draw() } }
}
