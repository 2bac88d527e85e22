// Makes elements. Text becomes text nodes only: nothing that a person typed is ever read as HTML.

type Child = Node | string | null | false

/** `on…` functions are listeners; null, undefined and false leave an attribute out; `--…` are properties of the style. */
export function h<Tag extends keyof HTMLElementTagNameMap> (
  tag: Tag, attributes: Record<string, unknown> = {}, ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value == null || value === false) continue
    if (typeof value === 'function') element.addEventListener(name.slice(2), value as EventListener)
    else if (name.startsWith('--')) element.style.setProperty(name, String(value))
    else element.setAttribute(name, value === true ? '' : String(value))
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== false))
  return element
}

const ICONS = {
  close: 'm5 5 10 10M15 5 5 15',
  play: 'M6.5 4.2v11.6l9-5.8z',
  pause: 'M7 4.5v11M13 4.5v11',
  back: 'm12.5 4.5-6 5.5 6 5.5',
  forth: 'm7.5 4.5 6 5.5-6 5.5',
  flag: 'M5 17V3.5h9.5L12 7.2l2.5 3.8H5',
  restore: 'M4 5v4h4M4.3 9a6.2 6.2 0 1 1-.2 3M10 6.8V10l2.3 1.6',
  compare: 'M10 3v14M3.5 6H7M3.5 10H7M3.5 14H7M13 6h3.5M13 10h3.5M13 14h3.5',
  pen: 'm4 16 .8-3.3L13.3 4.2a1.6 1.6 0 0 1 2.3 0l.2.2a1.6 1.6 0 0 1 0 2.3L7.3 15.2 4 16Z'
}

/** It says nothing to assistive technology. */
export function icon (name: keyof typeof ICONS): SVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('viewBox', '0 0 20 20')
  svg.setAttribute('class', 'icon')
  svg.setAttribute('aria-hidden', 'true')
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path')
  path.setAttribute('d', ICONS[name])
  svg.append(path)
  return svg
}
