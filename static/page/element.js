// Makes elements. Text becomes text nodes only: nothing that a person typed is ever read as HTML.

/**
 * @param {string} tag
 * @param {Record<string, unknown>} attributes `on…` functions are listeners; null, undefined and false leave an attribute out
 * @param {...(Node | string | null | false)} children
 */
export function h (tag, attributes = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value == null || value === false) continue
    if (typeof value === 'function') element.addEventListener(name.slice(2), value)
    else if (name.startsWith('--')) element.style.setProperty(name, value)
    else element.setAttribute(name, value === true ? '' : value)
  }
  element.append(...children.filter((child) => child != null && child !== false))
  return element
}

const SVG = 'http://www.w3.org/2000/svg'

/** An icon of the sprite in index.html; it says nothing to assistive technology. */
export function icon (name) {
  const svg = document.createElementNS(SVG, 'svg')
  svg.setAttribute('class', 'icon')
  svg.setAttribute('aria-hidden', 'true')
  const use = document.createElementNS(SVG, 'use')
  use.setAttribute('href', `#icon-${name}`)
  svg.append(use)
  return svg
}

export const byTestId = (id) => document.querySelector(`[data-testid="${id}"]`)
