// The two side panels on screens too narrow to show them beside the text: one opens at a time, over the text, takes the focus, and gives it
// back. On wide screens they simply stand there.

/** @param {{ onOpen: () => void }} options */
export function createPanels ({ onOpen }) {
  const backdrop = document.getElementById('backdrop')
  const panels = [...document.querySelectorAll('[data-panel]')].map((element) => ({
    element,
    button: document.querySelector(`[aria-controls="${element.id}"]`),
    /** The screens on which this panel is a drawer: the same condition as in styles/layout.css. */
    isDrawer: matchMedia(element.dataset.panel)
  }))
  let open = null

  const apply = () => {
    if (open && !open.isDrawer.matches) open = null
    for (const panel of panels) {
      const isOpen = panel === open
      panel.element.classList.toggle('is-open', isOpen)
      panel.element.inert = panel.isDrawer.matches && !isOpen
      panel.button.setAttribute('aria-expanded', String(isOpen))
    }
    backdrop.hidden = !open
  }

  const show = (panel) => {
    const closed = open
    open = panel
    apply()
    if (open) {
      open.element.querySelector('.panel-close').focus()
      onOpen()
    } else {
      closed?.button.focus()
    }
  }

  for (const panel of panels) {
    panel.button.addEventListener('click', () => show(panel))
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
    isInSight: (id) => {
      const panel = panels.find(({ element }) => element.id === id)
      return panel === open || !panel.isDrawer.matches
    }
  }
}
