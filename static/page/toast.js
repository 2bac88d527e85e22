// One short message at the foot of the page, gone after a while.

const SHOWN_MS = 4_000
let timer = 0

export function toast (text) {
  const element = document.getElementById('toast')
  element.textContent = text
  element.classList.add('is-shown')
  clearTimeout(timer)
  timer = setTimeout(() => element.classList.remove('is-shown'), SHOWN_MS)
}
