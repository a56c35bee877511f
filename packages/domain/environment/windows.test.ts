import fc from 'fast-check'
import { expect, test } from 'vitest'
import { clockText, isOpen, isTimeZone, nextOpening } from './windows.ts'

const at = (iso: string) => Date.parse(iso)
const iso = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString().slice(0, 16))
const berlin = (...windows: string[]) => ({ windows, timezone: 'Europe/Berlin' })
const utc = (...windows: string[]) => ({ windows, timezone: 'UTC' })

test('a window is open from its first minute to before its last, on its days, on the clocks of its time zone', () => {
  // A Wednesday; Berlin is one hour ahead.
  const office = berlin('Mon-Thu 09:00-17:00')
  expect(isOpen(office, at('2026-11-25T07:59:59Z'))).toBe(false)
  expect(isOpen(office, at('2026-11-25T08:00:00Z'))).toBe(true)
  expect(isOpen(office, at('2026-11-25T15:59:59Z'))).toBe(true)
  expect(isOpen(office, at('2026-11-25T16:00:00Z'))).toBe(false)
  expect(isOpen(office, at('2026-11-27T10:00:00Z'))).toBe(false)
  expect(isOpen({ ...office, timezone: 'UTC' }, at('2026-11-25T08:00:00Z'))).toBe(false)
})

test('days wrap around the week, and a window that ends no later than it begins ends on the next day', () => {
  expect(isOpen(utc('Sat-Mon 10:00-11:00'), at('2026-11-29T10:30:00Z'))).toBe(true)
  expect(isOpen(utc('Sat-Mon 10:00-11:00'), at('2026-11-24T10:30:00Z'))).toBe(false)
  const night = utc('Sun 22:00-06:00')
  expect(isOpen(night, at('2026-11-29T23:00:00Z'))).toBe(true)
  expect(isOpen(night, at('2026-11-30T05:59:00Z'))).toBe(true)
  expect(isOpen(night, at('2026-11-29T05:00:00Z'))).toBe(false)
  expect(isOpen(utc('Tue 00:00-00:00'), at('2026-11-24T23:59:00Z'))).toBe(true)
  expect(isOpen(utc('Tue 00:00-00:00'), at('2026-11-25T00:00:00Z'))).toBe(false)
})

test('the next opening is told to the minute, also over a weekend', () => {
  expect(iso(nextOpening([berlin('Mon-Fri 09:00-17:00')], at('2026-11-27T16:00:30Z')))).toBe('2026-11-30T08:00')
  expect(nextOpening([utc('00:00-00:00')], 12345)).toBe(12345)
})

test('a window that begins in the hour that clocks leave out opens when they have gone on', () => {
  // On 2026-03-29 clocks in Berlin go from 02:00 to 03:00, which is 01:00 UTC.
  expect(iso(nextOpening([berlin('Sun 02:30-03:30')], at('2026-03-29T00:10:00Z')))).toBe('2026-03-29T01:00')
  // On 2026-10-25 they go back from 03:00 to 02:00.
  expect(iso(nextOpening([berlin('Sun 04:00-05:00')], at('2026-10-25T00:10:00Z')))).toBe('2026-10-25T03:00')
  expect(clockText('Europe/Berlin', at('2026-10-25T03:00:00Z'))).toBe('Sun 04:00')
})

test('of two schedules both must be open; two that never are have no opening', () => {
  const both = [utc('Mon-Fri 09:00-17:00'), utc('Fri-Sun 12:00-20:00')]
  expect(iso(nextOpening(both, at('2026-11-25T10:00:00Z')))).toBe('2026-11-27T12:00')
  expect(nextOpening([utc('Mon 09:00-10:00'), utc('Tue 09:00-10:00')], at('2026-11-25T10:00:00Z'))).toBeUndefined()
})

test('a time zone that does not exist is known as one', () => {
  expect(['UTC', 'Europe/Berlin', 'America/St_Johns'].map(isTimeZone)).toEqual([true, true, true])
  expect(['Europe/Berln', 'x', ''].map(isTimeZone)).toEqual([false, false, false])
})

test('no earlier minute than the next opening is open, whatever the windows, the zone and the time', () => {
  const two = (limit: number) => fc.integer({ min: 0, max: limit }).map((value) => String(value).padStart(2, '0'))
  const clock = fc.tuple(two(23), two(59)).map(([hour, minute]) => `${hour}:${minute}`)
  const days = fc.constantFrom('', 'Mon ', 'Sat-Mon ', 'Tue-Thu ')
  const window = fc.tuple(days, clock, clock).map(([day, from, to]) => `${day}${from}-${to}`)
  const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu')
  const time = fc.integer({ min: at('2026-03-01T00:00:00Z') / 60_000, max: at('2026-12-01T00:00:00Z') / 60_000 })
  fc.assert(
    fc.property(fc.array(window, { minLength: 1, maxLength: 3 }), zone, time, (windows, timezone, minute) => {
      const schedule = { windows, timezone }
      const from = minute * 60_000
      const found = nextOpening([schedule], from) as number
      expect(isOpen(schedule, found)).toBe(true)
      const step = Math.max(60_000, Math.floor((found - from) / 60_000 / 150) * 60_000)
      for (let earlier = from; earlier < found; earlier += step) expect(isOpen(schedule, earlier)).toBe(false)
      if (found > from) expect(isOpen(schedule, found - 60_000)).toBe(false)
    }),
    { numRuns: 300 },
  )
})
