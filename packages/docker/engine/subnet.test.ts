import { expect, test } from 'vitest'
import { firstOf, freePart, parseRange, routedRanges } from './subnet.ts'

test.each([
  ['10.213.0.0/16', { first: 181731328, last: 181796863 }],
  ['255.255.255.255', { first: 4294967295, last: 4294967295 }],
  ['10.213.0.77/27', { first: 181731392, last: 181731423 }],
  ['10.213.0.0/33', undefined],
  ['10.256.0.0/16', undefined],
  ['fd00::/8', undefined],
  ['x', undefined],
])('%s is read', (text, range) => {
  expect(parseRange(text)).toEqual(range)
})

test('a part is free when no network reaches into it, whatever its size', () => {
  const pool = parseRange('10.213.0.0/25')
  if (!pool) throw new Error('no pool')
  const taken = (...texts: string[]) => texts.flatMap((text) => parseRange(text) ?? [])
  expect(freePart(pool, [], 0)).toBe('10.213.0.0/27')
  expect(freePart(pool, [], 7)).toBe('10.213.0.96/27')
  expect(freePart(pool, taken('10.213.0.64/30', '10.213.0.96/27'), 2)).toBe('10.213.0.0/27')
  expect(freePart(pool, taken('10.0.0.0/8'), 1)).toBeUndefined()
  expect(firstOf('10.213.0.96/27')).toBe('10.213.0.97')
})

test('what a machine has a way to is read from its table of routes, but for the way out', () => {
  const table = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
tun0\t4027D50A\t00000000\t0001\t0\t0\t0\tE0FFFFFF\t0\t0\t0
wg0\t0000D60A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
`
  expect(routedRanges(table)).toEqual(['10.213.39.64/27', '10.214.0.0/16'].map(parseRange))
  expect(routedRanges('')).toEqual([])
})
