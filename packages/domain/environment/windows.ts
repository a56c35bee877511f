/** Pattern of a window: `09:00-17:00`, `Mon-Thu 09:00-17:00`. */
export const windowPattern =
  '^((Mon|Tue|Wed|Thu|Fri|Sat|Sun)(-(Mon|Tue|Wed|Thu|Fri|Sat|Sun))? )?([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$'
/** Pattern of a time zone's name. */
export const zonePattern = '^[A-Za-z0-9_+/-]{1,64}$'

/** When something may begin: windows on the clock of a time zone. */
export interface Schedule {
  windows: readonly string[]
  timezone: string
}
/** A window: on the days that are `true`, Monday first, from one minute of the day to another; to the next day where that is no later. */
interface Window {
  days: boolean[]
  from: number
  to: number
}
const dayNames = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
const dayMinutes = 24 * 60
const weekMinutes = 7 * dayMinutes
const minuteMs = 60_000

/** Does this system know the time zone? */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** May it begin at this time? */
export const isOpen = (schedule: Schedule, atMs: number): boolean =>
  isIn(schedule.windows.map(parse), minuteOfWeek(schedule.timezone, atMs))

/** When it may begin: `fromMs`, or the next time that all schedules are open; undefined when there is none within two weeks. */
export function nextOpening(schedules: readonly Schedule[], fromMs: number): number | undefined {
  let at = fromMs
  while (at - fromMs <= 2 * weekMinutes * minuteMs) {
    const closed = schedules.find((schedule) => !isOpen(schedule, at))
    if (!closed) return at
    at = opening(closed, at)
  }
  return undefined
}

/** The next time that a schedule which is closed now is open. */
function opening({ windows, timezone }: Schedule, fromMs: number): number {
  const parsed = windows.map(parse)
  let at = Math.ceil(fromMs / minuteMs) * minuteMs
  for (;;) {
    const minute = minuteOfWeek(timezone, at)
    if (isIn(parsed, minute)) return at
    const ahead = Math.min(...starts(parsed).map((start) => (start - minute + weekMinutes) % weekMinutes))
    const isPlain = (minutes: number) =>
      minuteOfWeek(timezone, at + minutes * minuteMs) === (minute + minutes) % weekMinutes
    if (isPlain(ahead)) return at + ahead * minuteMs
    // The clocks change in between: on to the first minute after that.
    let [before, after] = [0, ahead]
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2)
      if (isPlain(middle)) before = middle
      else after = middle
    }
    at += after * minuteMs
  }
}

function parse(text: string): Window {
  const [, first, last, from = '', to = ''] = /^(?:(\w+)(?:-(\w+))? )?([\d:]+)-([\d:]+)$/.exec(text) ?? []
  const begin = dayNames.indexOf(first ?? 'Mon')
  const end = dayNames.indexOf(last ?? first ?? 'Sun')
  const isDay = (day: number) => (begin <= end ? day >= begin && day <= end : day >= begin || day <= end)
  return { days: dayNames.map((_, day) => isDay(day)), from: minutes(from), to: minutes(to) }
}

const minutes = (clock: string): number => Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3))

const starts = (windows: readonly Window[]): number[] =>
  windows.flatMap(({ days, from }) => days.flatMap((isDay, day) => (isDay ? day * dayMinutes + from : [])))

const isIn = (windows: readonly Window[], minute: number): boolean =>
  windows.some(({ days, from, to }) => {
    const length = to > from ? to - from : to - from + dayMinutes
    return days.some((isDay, day) => isDay && (minute - (day * dayMinutes + from) + weekMinutes) % weekMinutes < length)
  })

const formats = new Map<string, Intl.DateTimeFormat>()

/** Minutes since Monday, 00:00, on the clocks of a time zone. */
function minuteOfWeek(timezone: string, atMs: number): number {
  const options = {
    timeZone: timezone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  } as const
  const format = formats.get(timezone) ?? new Intl.DateTimeFormat('en-US', options)
  if (formats.size > 100) formats.clear()
  formats.set(timezone, format)
  const part = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, value]))
  return dayNames.indexOf(part.weekday ?? '') * dayMinutes + Number(part.hour) * 60 + Number(part.minute)
}

/** `Mon 09:00` on the clocks of a time zone. */
export function clockText(timezone: string, atMs: number): string {
  const minute = minuteOfWeek(timezone, atMs)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = Math.floor(minute / dayMinutes)
  return `${dayNames[day]} ${two(Math.floor((minute % dayMinutes) / 60))}:${two(minute % 60)}`
}
