import { isUtf8 } from 'node:buffer'

/** A file's name as text. Bytes that are no UTF-8 become lone surrogates, U+DC80 to U+DCFF, so that `bytesOf` gives them back. */
export function nameOf(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString()
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((count) => at + count <= bytes.length && isUtf8(bytes.subarray(at, at + count)))
    text += length ? bytes.toString('utf8', at, at + length) : String.fromCharCode(0xdc00 + (bytes[at] ?? 0))
    at += length ?? 1
  }
  return text
}

/** The bytes of a name or path that `nameOf` gave. */
export const bytesOf = (name: string): Buffer =>
  name.isWellFormed()
    ? Buffer.from(name)
    : Buffer.concat(
        name
          .split(/([\udc80-\udcff])/u)
          .map((part) => (part.isWellFormed() ? Buffer.from(part) : Buffer.of(part.charCodeAt(0) & 0xff))),
      )
