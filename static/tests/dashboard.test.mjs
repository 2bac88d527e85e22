import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SPAN_MS_MAX, Samples } from '../dashboard/samples.js'
import { axis, bytes, bytesAxis, count, countAxis, nearest, runs } from '../dashboard/scale.js'

const at = (second) => new Date(1_700_000_000_000 + second * 1000).toISOString()

test('an axis reaches over its values, on round numbers', () => {
  for (const [max, step, top] of [[3, 2, 4], [10, 5, 10], [11, 10, 20], [31, 20, 40], [99, 50, 100], [101, 100, 200], [1_000, 500, 1_000]]) {
    assert.deepEqual(axis(max), { step, top }, `of ${max}`)
  }
})

test('an axis of counts has no lines between two of them', () => {
  for (const max of [0, 1, 2]) assert.deepEqual(countAxis(max), { step: 1, top: 2 })
  for (let max = 3; max < 500; max++) {
    const { step, top } = countAxis(max)
    assert.ok(Number.isInteger(step) && top >= max && top / step <= 3, `of ${max}: ${step}, ${top}`)
  }
})

test('an axis of bytes is round in the unit that is shown', () => {
  const mebibyte = 1024 ** 2
  assert.deepEqual(bytesAxis(18.3 * mebibyte), { step: 10 * mebibyte, top: 20 * mebibyte })
  const { step, top } = bytesAxis(0)
  assert.ok(step > 0 && top > 0)
})

test('numbers are written short, with their unit', () => {
  assert.deepEqual([count(1234), count(12_345_678)], [['1,234', ''], ['12.3M', '']])
  assert.deepEqual([bytes(0), bytes(153), bytes(1536), bytes(20 * 1024 ** 2)], [['0', 'B'], ['153', 'B'], ['1.5', 'KiB'], ['20', 'MiB']])
})

test('a line breaks where seconds are missing', () => {
  const points = [0, 1000, 2000, 9000, 10_000].map((ms) => ({ ms }))
  assert.deepEqual(runs(points, 3_500).map((run) => run.length), [3, 2])
  assert.deepEqual(runs([], 3_500), [])
  assert.equal(nearest(points, 6_000).ms, 9_000)
  assert.equal(nearest([], 0), undefined)
})

test('the last minutes are kept, and what is not known is left out', () => {
  const samples = new Samples()
  for (let second = 0; second <= 400; second++) samples.add({ timestamp: at(second), rooms: second, memoryBytes: null })
  const { fromMs, toMs } = samples.span
  assert.equal(toMs - fromMs, SPAN_MS_MAX)
  assert.equal(samples.of('rooms')[0].value, 100)
  assert.equal(samples.of('rooms').at(-1).value, 400)
  assert.deepEqual(samples.of('memoryBytes'), [])
})

test('a young page shows a minute, and a clock that was set back begins anew', () => {
  const samples = new Samples()
  samples.add({ timestamp: at(100), rooms: 1 })
  assert.equal(samples.span.toMs - samples.span.fromMs, 60_000)
  samples.add({ timestamp: at(50), rooms: 2 })
  assert.deepEqual(samples.of('rooms').map(({ value }) => value), [2])
})
