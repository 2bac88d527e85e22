// The two side panels. On screens too narrow for them they are drawers: one opens at a time, over the text, takes the focus, and gives it
// back. On wide screens they simply stand there, and the closable one can be put away.

/** @param {{ onChange: () => void }} options `onChange`: other panels than before are in sight. */
export function createPanels ({ onChange }) {
  const app = document.querySelector('.app')
  const backdrop = document.getElementById('backdrop')
  const panels = [...document.querySelectorAll('[data-panel]')].map((element) => ({
    element,
    button: document.querySelector(`[aria-controls="${element.id}"]`),
    /** The screens on which this panel is a drawer: the same condition as in styles/layout.css. */
    isDrawer: matchMedia(element.dataset.panel),
    isClosable: 'closable' in element.dataset,
    isPutAway: false
  }))
  let open = null

  const isShown = (panel) => panel.isDrawer.matches ? panel === open : !panel.isPutAway

  const apply = () => {
    if (open && !open.isDrawer.matches) open = null
    for (const panel of panels) {
      panel.element.classList.toggle('is-open', panel === open)
      panel.element.inert = !isShown(panel)
      panel.button.setAttribute('aria-expanded', String(isShown(panel)))
      if (panel.isClosable) app.classList.toggle(`is-without-${panel.element.id}`, panel.isPutAway)
    }
    backdrop.hidden = !open
    onChange()
  }

  const show = (panel) => {
    const closed = open
    open = panel
    apply()
    if (open) open.element.querySelector('.panel-close').focus()
    else closed?.button.focus()
  }

  const onButton = (panel) => {
    if (panel.isDrawer.matches) return show(panel)
    if (!panel.isClosable) return
    panel.isPutAway = !panel.isPutAway
    apply()
    if (!panel.isPutAway) panel.element.querySelector('textarea')?.focus()
  }

  for (const panel of panels) {
    panel.button.addEventListener('click', () => onButton(panel))
    panel.element.querySelector('.panel-close').addEventListener('click', () => show(null))
    panel.isDrawer.addEventListener('change', apply)
  }
  backdrop.addEventListener('click', () => show(null))
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape' && open) show(null) })
  // What lies behind an open panel is not reached by Tab.
  document.addEventListener('focusin', ({ target }) => {
    if (open && !open.element.contains(target)) open.element.querySelector('.panel-close').focus()
  })
  apply()

  return {
    close: () => { if (open) show(null) },
    isInSight: (id) => isShown(panels.find(({ element }) => element.id === id))
  }
}
