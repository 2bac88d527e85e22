// Light or dark: the system's until chosen here. A choice equal to the system's is none, so that the page follows it again.

import { byTestId } from './element.js'

const KEY = 'tutti.theme'
const systemDark = matchMedia('(prefers-color-scheme: dark)')

export function createThemeToggle () {
  const root = document.documentElement
  const button = byTestId('theme')
  const system = () => systemDark.matches ? 'dark' : 'light'
  const label = () => button.setAttribute('aria-label', `Use the ${(root.dataset.theme ?? system()) === 'dark' ? 'light' : 'dark'} theme`)

  button.addEventListener('click', () => {
    const wanted = (root.dataset.theme ?? system()) === 'dark' ? 'light' : 'dark'
    if (wanted === system()) delete root.dataset.theme
    else root.dataset.theme = wanted
    try {
      if (wanted === system()) localStorage.removeItem(KEY)
      else localStorage.setItem(KEY, wanted)
    } catch { /* chosen for this page only */ }
    label()
  })
  systemDark.addEventListener('change', label)
  label()
}
