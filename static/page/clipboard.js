/** Outside a secure context there is no clipboard API: the older way, through a selection. */
function copyBySelection (text) {
  const area = document.createElement('textarea')
  area.value = text
  area.className = 'visually-hidden'
  // In an open popover, else the text below it could not be selected.
  const parent = document.querySelector(':popover-open') ?? document.body
  parent.append(area)
  area.select()
  const isCopied = document.execCommand('copy')
  area.remove()
  return isCopied
}

/** @returns {Promise<boolean>} whether it worked */
export const copy = (text) => navigator.clipboard
  ? navigator.clipboard.writeText(text).then(() => true, () => copyBySelection(text))
  : Promise.resolve(copyBySelection(text))
