// The button that copies the link to this document.

import { byTestId } from './element.js'
import { toast } from './toast.js'

const isThisMachineOnly = /^(localhost|127\.|\[::1\])/.test(location.hostname)

/** Outside a secure context there is no clipboard API: the older way, through a selection. */
function copyBySelection (text) {
  const area = document.createElement('textarea')
  area.value = text
  area.className = 'visually-hidden'
  document.body.append(area)
  area.select()
  const isCopied = document.execCommand('copy')
  area.remove()
  return isCopied
}

export const copy = (text) => navigator.clipboard
  ? navigator.clipboard.writeText(text).then(() => true, () => copyBySelection(text))
  : Promise.resolve(copyBySelection(text))

export function createShare (link) {
  const button = byTestId('share')
  button.addEventListener('click', async () => {
    const isCopied = await copy(link)
    button.focus()
    if (!isCopied) return toast(`Copy this link: ${link}`)
    toast(isThisMachineOnly ? 'Link copied. It opens on this computer: try a second window.' : 'Link copied. Whoever opens it writes here with you.')
  })
}
