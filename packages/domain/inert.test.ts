import { expect, test } from 'vitest'
import { inert, turning } from './inert.ts'
import { oneLine } from './reason.ts'

const marks = [0x61c, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2066, 0x2069].map((code) =>
  String.fromCharCode(code),
)

test('every character that turns text or ends its line is written out, and nothing else', () => {
  for (const mark of marks) {
    const shown = inert(`main${mark}gpj.exe`)
    expect(shown).toMatch(/^main\\u[0-9a-f]{4}gpj\.exe$/)
    expect(JSON.parse(`"${shown}"`)).toBe(`main${mark}gpj.exe`)
    expect(oneLine(`a${mark}b`, 10)).toBe('a b')
  }
  expect(inert('שלום, مرحبا, zero\u200bwidth 👩‍💻')).toBe('שלום, مرحبا, zero\u200bwidth 👩‍💻')
})

test('the pages know the same characters, in all the text that they show', async () => {
  const pages = new URL('../../services/api/pages/assets/', import.meta.url)
  const { turning: shown } = await import(new URL('inert.js', pages).href)
  expect([shown.source, shown.flags]).toEqual([turning.source, turning.flags])
  const made: unknown[] = []
  const before = Object.getOwnPropertyDescriptor(globalThis, 'document')
  const node = () => ({
    setAttribute: (name: string, value: string) => made.push([name, value]),
    append: (...words: unknown[]) => made.push(...words),
  })
  Object.defineProperty(globalThis, 'document', { configurable: true, value: { createElement: node } })
  try {
    const { element, setText } = await import(new URL('show.js', pages).href)
    element('a', { title: 'x\u202e', href: '/?branch=y\u202e' }, 'feature\u202e', undefined)
    expect(made).toEqual([['title', 'x\\u202e'], ['href', '/?branch=y\u202e'], 'feature\\u202e'])
    const target = { textContent: '' }
    setText(target, 'matrix \u2066value')
    expect(target.textContent).toBe('matrix \\u2066value')
  } finally {
    if (before) Object.defineProperty(globalThis, 'document', before)
    else Reflect.deleteProperty(globalThis, 'document')
  }
})
