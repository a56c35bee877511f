import type { Word } from './aho-corasick.ts'

/** Values shorter than this are not hidden: that would hide half of every log. */
export const shortestHidden = 6
/** From so many characters on, the text of an encoding may be broken by white space: `base64` ends its lines, `od` parts its bytes. */
const base64Quantum = 4
const hexByte = 2

/** A value as it may be printed: as it is, its lines, and escaped for other languages. */
function writtenForms(value: string): string[] {
  const json = JSON.stringify(value).slice(1, -1)
  const url = encodeURIComponent(value.toWellFormed())
  const strictUrl = url.replace(/[!'()*~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  const xml = value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return [
    value,
    // As sentences have it, on one line.
    value.replace(/\s+/g, ' '),
    json,
    json.replaceAll('/', '\\/'),
    json.replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
    json.replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
    // Of a shell: in single quotes, in double quotes, by backslashes.
    value.replaceAll("'", "'\\''"),
    value.replaceAll("'", `'"'"'`),
    value.replace(/["$`\\]/g, '\\$&'),
    value.replace(/[^\w@%+=:,./\n-]/g, '\\$&'),
    json.replaceAll('\\"', '"').replaceAll("'", "\\'"),
    xml,
    xml.replaceAll('"', '&quot;'),
    xml.replaceAll('"', '&quot;').replaceAll("'", '&apos;'),
    xml.replaceAll('"', '&quot;').replaceAll("'", '&#39;'),
    xml.replaceAll('"', '&#34;').replaceAll("'", '&#39;'),
    url,
    strictUrl,
    strictUrl.replaceAll('%20', '+'),
    encodeURI(value.toWellFormed()),
    ...[url, strictUrl].map((text) => text.replace(/%[0-9A-F]{2}/g, (c) => c.toLowerCase())),
  ]
}

const escapes = /\\(?:0?[0-7]{1,3}|x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{1,4}|U[0-9A-Fa-f]{1,8}|[\s\S]?)/g
const named: Record<string, string> = { a: '\x07', b: '\b', e: '\x1b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

/**
 * A value with backslashes as it comes out of what reads them: `echo` of many shells and `printf` make characters of escapes, `read` and a shell
 * without quotes drop the backslash, and `\c` ends the output. What stands between the escapes is the value's own in all of them.
 */
function unescaped(value: string): string[] {
  if (!value.includes('\\')) return []
  const read = value.replace(escapes, (all) => {
    const code = /^\\[xuU]/.test(all) ? Number.parseInt(all.slice(2), 16) : Number.parseInt(all.slice(1), 8)
    if (/^\\(?:[0-7]|[xuU].)/.test(all)) return code <= 0x10ffff ? String.fromCodePoint(code) : all
    return named[all.slice(1)] ?? all.slice(1)
  })
  const once = value.replaceAll('\\\\', '\\')
  const dropped = value.replace(/\\([\s\S]?)/g, '$1')
  return [read, once, dropped, ...read.split('\n'), ...value.split(escapes)]
}

/** A value in base64, wherever it begins among the bytes around it, and in hexadecimal. */
function encodedForms(bytes: Buffer): Word[] {
  const forms: Word[] = []
  for (const shift of [0, 1, 2]) {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64')
    // Characters that hold bits of what stands before or after the value are not the value's own.
    const first = [0, 2, 3][shift] as number
    const whole = Math.floor(((shift + bytes.length) * 8) / 6)
    for (const text of [encoded.slice(first), encoded.slice(first, whole)]) {
      forms.push({ text, brokenFrom: base64Quantum })
      // Lines end between groups of four, so a line may begin here.
      if (shift > 0) forms.push({ text: text.slice(4 - first), brokenFrom: base64Quantum })
    }
  }
  const urls = forms.map((form) => ({ ...form, text: form.text.replaceAll('+', '-').replaceAll('/', '_') }))
  const unpadded = [...forms, ...urls].map((form) => ({ ...form, text: form.text.replace(/=+$/, '') }))
  const hex = bytes.toString('hex')
  return [
    ...forms,
    ...urls,
    ...unpadded,
    { text: hex, brokenFrom: hexByte },
    { text: hex.toUpperCase(), brokenFrom: hexByte },
  ]
}

/** All the ways in which a log may show these values: what is written exactly so, and what white space may break. */
export function formsOf(secrets: readonly string[]): { written: Word[]; encoded: Word[] } {
  const values = new Set(secrets.flatMap((secret) => [secret, secret.trim()]))
  const written = new Set<string>()
  const encoded = new Map<string, Word>()
  for (const value of values) {
    if (value.length < shortestHidden) continue
    const lines = value.split(/\r?\n/)
    const ownLines = lines.length > 1 ? [...lines, ...lines.map((line) => line.trim())] : []
    for (const text of [value, ...ownLines, ...unescaped(value)])
      if (text.length >= shortestHidden) for (const form of writtenForms(text)) written.add(form)
    for (const form of encodedForms(Buffer.from(value)))
      if (form.text.length >= shortestHidden) encoded.set(form.text, form)
  }
  return { written: [...written].map((text) => ({ text })), encoded: [...encoded.values()] }
}
