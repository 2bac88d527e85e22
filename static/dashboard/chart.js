// A line over time, as SVG: an axis that begins at 0, the line with the area below it, and, under the pointer, one moment's value. Draws what
// it is given; knows nothing of where it comes from.

import { h } from '../page/element.js'
import { nearest, runs } from './scale.js'

const SVG = 'http://www.w3.org/2000/svg'
/** The figures come once a second; more than this between two is a hole. */
const HOLE_MS = 3_500
const PAD = { top: 10, right: 2, bottom: 22, left: 46 }
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })

function s (tag, attributes = {}, text) {
  const element = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  if (text !== undefined) element.textContent = text
  return element
}

/** @param {{ axisOf: (max: number) => { top: number, step: number }, write: (value: number) => string, label: string }} options */
export function createChart ({ axisOf, write, label }) {
  const svg = s('svg', { class: 'chart', role: 'img', 'aria-label': label })
  const tip = h('p', { class: 'tip', 'aria-hidden': 'true', hidden: true })
  const element = h('div', { class: 'chart-box' }, svg, tip)
  let width = 0
  let height = 0
  let shown = { points: [], fromMs: 0, toMs: 1 }
  let pointerX = null

  const draw = () => {
    if (width === 0) return
    const { points, fromMs, toMs } = shown
    const { top, step } = axisOf(Math.max(0, ...points.map(({ value }) => value)))
    const x = (ms) => PAD.left + (ms - fromMs) / (toMs - fromMs) * (width - PAD.left - PAD.right)
    const y = (value) => height - PAD.bottom - value / top * (height - PAD.top - PAD.bottom)
    const parts = []
    for (let value = 0; value <= top * 1.001; value += step) {
      parts.push(s('line', { class: value === 0 ? 'ground' : 'grid', x1: PAD.left, x2: width, y1: y(value), y2: y(value) }))
      parts.push(s('text', { class: 'tick', x: PAD.left - 8, y: y(value), 'text-anchor': 'end', 'dominant-baseline': 'middle' }, write(value)))
    }
    parts.push(s('text', { class: 'tick', x: PAD.left, y: height - 4 }, agoText(toMs - fromMs)))
    parts.push(s('text', { class: 'tick', x: width - PAD.right, y: height - 4, 'text-anchor': 'end' }, 'now'))
    for (const run of runs(points, HOLE_MS)) {
      const line = run.map(({ ms, value }) => `${x(ms).toFixed(1)},${y(value).toFixed(1)}`).join('L')
      parts.push(s('path', { class: 'area', d: `M${x(run[0].ms).toFixed(1)},${y(0)}L${line}L${x(run.at(-1).ms).toFixed(1)},${y(0)}Z` }))
      parts.push(s('path', { class: 'line', d: `M${line}` }))
    }
    const newest = points.at(-1)
    const marked = pointerX === null ? newest : nearest(points, fromMs + (pointerX - PAD.left) / (width - PAD.left - PAD.right) * (toMs - fromMs))
    if (marked) {
      if (pointerX !== null) parts.push(s('line', { class: 'cross', x1: x(marked.ms), x2: x(marked.ms), y1: PAD.top, y2: height - PAD.bottom }))
      parts.push(s('circle', { class: 'dot', cx: x(marked.ms), cy: y(marked.value), r: 3.5 }))
    }
    svg.replaceChildren(...parts)
    tip.hidden = pointerX === null || !marked
    if (!tip.hidden) {
      tip.replaceChildren(h('b', {}, write(marked.value)), ` ${clock.format(marked.ms)}`)
      tip.style.left = `${Math.min(Math.max(x(marked.ms), PAD.left + 40), width - 48)}px`
    }
  }

  const point = (event) => {
    pointerX = event ? event.clientX - svg.getBoundingClientRect().left : null
    draw()
  }
  svg.addEventListener('pointermove', point)
  svg.addEventListener('pointerdown', point)
  svg.addEventListener('pointerleave', () => point(null))
  new ResizeObserver(() => {
    ({ width, height } = svg.getBoundingClientRect())
    svg.setAttribute('viewBox', `0 0 ${width} ${height}`)
    draw()
  }).observe(svg)

  return {
    element,
    /** @param {{ points: { ms: number, value: number }[], fromMs: number, toMs: number }} what */
    show (what) {
      shown = what
      draw()
    },
    describe (text) { svg.setAttribute('aria-label', `${label}: ${text}`) }
  }
}

function agoText (ms) {
  const seconds = Math.round(ms / 1000)
  const minutes = Math.floor(seconds / 60)
  const rest = seconds % 60
  return `${[minutes > 0 && `${minutes} min`, rest > 0 && `${rest} s`].filter(Boolean).join(' ')} ago`
}
