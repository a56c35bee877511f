/**
 * Hides secret values in text that arrives in pieces. Values shorter than 6 characters are not hidden: that would hide
 * half of every log.
 * @returns `push` gives back what is safe to show so far, `end` the rest.
 */
export function makeMask(secrets: readonly string[]): { push(text: string): string; end(): string } {
  const values = [...new Set(secrets.flatMap(formsOf))]
    .filter((value) => value.length >= 6)
    .sort((a, b) => b.length - a.length)
  let held = ''
  const hide = (text: string) => values.reduce((shown, value) => shown.replaceAll(value, '***'), text)
  return {
    push(text) {
      if (values.length === 0) return text
      const all = hide(held + text)
      const keep = Math.max(...values.map((value) => beginningAtEnd(all, value)))
      held = all.slice(all.length - keep)
      return all.slice(0, all.length - keep)
    },
    end() {
      const rest = hide(held)
      held = ''
      return rest
    },
  }
}

/** How many characters at the end of the text may be the beginning of the value: only those must wait for what follows. */
function beginningAtEnd(text: string, value: string): number {
  for (let length = Math.min(text.length, value.length - 1); length > 0; length--)
    if (text.endsWith(value.slice(0, length))) return length
  return 0
}

/** The value itself, its lines, and the usual ways it is written elsewhere. */
function formsOf(secret: string): string[] {
  const lines = secret.split(/\r?\n/).filter((line) => line.length >= 6)
  const bytes = Buffer.from(secret)
  return [
    secret,
    ...lines,
    bytes.toString('base64'),
    bytes.toString('base64url'),
    bytes.toString('hex'),
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
  ]
}
