import { inert } from './inert.js'

const marks = {
  queued: '○',
  pending: '○',
  running: '●',
  applying: '●',
  succeeded: '✓',
  passed: '✓',
  live: '✓',
  failed: '✕',
  errored: '!',
  cancelled: '–',
  superseded: '»',
  skipped: '–',
  restored: '↺',
  healthy: '✓',
  degraded: '!',
  down: '✕',
  unknown: '?',
  waiting: '○',
  done: '✓',
  refused: '✕',
  noted: '·',
}
export const runStates = ['queued', 'running', 'succeeded', 'failed', 'errored', 'cancelled', 'superseded']
export const isOver = (state) => state !== 'queued' && state !== 'running'
export const byId = (id) => document.getElementById(id)

/** An element with attributes and children; text goes in as text only. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes))
    if (value !== undefined) made.setAttribute(key, isShown(key) ? inert(value) : value)
  made.append(...children.filter((child) => child !== undefined && child !== '').map(shown))
  return made
}

const isShown = (attribute) => attribute === 'title' || attribute.startsWith('aria-')
const shown = (child) => (typeof child === 'string' ? inert(child) : child)

/** A state as a word with a mark, so that it doesn't rest on colour alone. */
export const badge = (state) =>
  element('span', { class: 'badge', 'data-state': state }, mark(state), element('span', {}, state))
export const mark = (state) =>
  element('span', { class: 'mark', 'data-state': state, 'aria-hidden': 'true' }, marks[state] ?? '·')

/** "2 min ago", kept current by `tick`; the full time is its title. */
export const ago = (iso) =>
  element('time', { datetime: iso, title: fullTime(iso), 'data-age': iso }, ageText(iso, Date.now()))
/** How long something took, or takes until now; empty before it began. */
export const duration = (from, to) =>
  from
    ? element('span', { class: 'duration', 'data-from': from, 'data-to': to }, durationText(from, to, Date.now()))
    : element('span', { class: 'duration' })
export const clock = (iso) =>
  element('time', { datetime: iso, title: fullTime(iso) }, new Date(iso).toLocaleTimeString())
export const fullTime = (iso) => new Date(iso).toLocaleString(undefined, { dateStyle: 'full', timeStyle: 'long' })

/** Brings all ages and durations on the page up to now. */
export function tick() {
  const now = Date.now()
  for (const one of document.querySelectorAll('[data-age]')) setText(one, ageText(one.dataset.age, now))
  for (const one of document.querySelectorAll('[data-from]:not([data-to])'))
    setText(one, durationText(one.dataset.from, undefined, now))
}

export function setText(target, text) {
  const now = inert(text)
  if (target.textContent !== now) target.textContent = now
}

function ageText(iso, now) {
  const seconds = Math.max(0, (now - Date.parse(iso)) / 1000)
  if (seconds < 10) return 'just now'
  if (seconds < 60) return `${Math.floor(seconds)} s ago`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`
  const days = Math.floor(seconds / 86_400)
  return days < 60 ? `${days} day${days === 1 ? '' : 's'} ago` : new Date(iso).toLocaleDateString()
}

function durationText(from, to, now) {
  const ms = Math.max(0, (to ? Date.parse(to) : now) - Date.parse(from))
  if (to && ms < 1000) return `${ms} ms`
  if (ms < 10_000) return to ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 1000)} s`
  const seconds = Math.floor(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
}

/**
 * Makes the list show the items, in their order: what did not change is not touched, so focus and selection stay.
 * @param make makes an empty entry; @param fill fills or refills it
 */
export function syncList(list, items, keyOf, make, fill) {
  const known = new Map([...list.children].map((entry) => [entry.dataset.key, entry]))
  items.forEach((item, index) => {
    const key = keyOf(item)
    const entry = known.get(key) ?? make(item)
    known.delete(key)
    entry.dataset.key = key
    const text = JSON.stringify(item)
    if (entry.shown !== text) {
      fill(entry, item)
      entry.shown = text
    }
    if (list.children[index] !== entry) list.insertBefore(entry, list.children[index] ?? null)
  })
  for (const gone of known.values()) gone.remove()
}
