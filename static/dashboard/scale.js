// From values to places: how far an axis goes, where its lines stand, how numbers are written. Pure.

const STEPS = [1, 2, 5, 10]

/** The top of an axis that begins at 0, and the distance of its lines: two or three of them, on round numbers. */
export function axis (max) {
  const rough = Math.max(max, 1e-9) / 2
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = STEPS.find((factor) => factor * power >= rough * (1 - 1e-9)) * power
  return { step, top: Math.ceil(max / step - 1e-9) * step || step }
}

/** Counts are whole: their axis has no lines between two of them. */
export const countAxis = (max) => max <= 2 ? { step: 1, top: 2 } : axis(max)

/** Bytes in the units of 1,024, so that the axis is round in what is shown. */
export function bytesAxis (max) {
  const { size } = unitOf(max)
  const { step, top } = axis(max / size)
  return { step: step * size, top: top * size }
}

const UNITS = [{ size: 1024 ** 3, name: 'GiB' }, { size: 1024 ** 2, name: 'MiB' }, { size: 1024, name: 'KiB' }, { size: 1, name: 'B' }]
const unitOf = (bytes) => UNITS.find(({ size }) => bytes >= size) ?? UNITS.at(-1)

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

/** @returns {[string, string]} the number, and its unit */
export const count = (value) => [value < 1e6 ? whole.format(value) : short.format(value), '']

export function bytes (value) {
  const { size, name } = unitOf(value)
  const inUnit = value / size
  return [inUnit.toFixed(size === 1 || inUnit >= 100 ? 0 : 1).replace(/\.0$/, ''), name]
}

/** The runs of points without a hole: of a second in which nothing came nobody knows anything. @param {{ ms: number }[]} points */
export function runs (points, holeMs) {
  const found = []
  for (const [index, point] of points.entries()) {
    if (index === 0 || point.ms - points[index - 1].ms > holeMs) found.push([])
    found.at(-1).push(point)
  }
  return found
}

/** The point nearest in time; undefined if there are none. */
export const nearest = (points, ms) => points.reduce((best, point) =>
  best === undefined || Math.abs(point.ms - ms) < Math.abs(best.ms - ms) ? point : best, undefined)
