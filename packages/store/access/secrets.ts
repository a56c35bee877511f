import { createHmac } from 'node:crypto'
import { CompactEncrypt, compactDecrypt, errors } from 'jose'

export type Secrets = ReturnType<typeof makeSecrets>

/** Opened values kept in memory at a time. */
const mostOpened = 1000

/** What is kept can't be read: this process has another key than the one that wrote it, or somebody changed it. */
export class Unreadable extends Error {}

/** Encrypts values at rest: JWE compact, direct key, AES-256-GCM (RFC 7516), bound to the name they are kept under. */
export function makeSecrets(key: Uint8Array) {
  // Opening costs more than all else of a webhook's intake; what was opened under its name stays the same.
  const opened = new Map<string, string>()
  return {
    /** 32 bytes that only this key makes of the text, and always the same. */
    derive: (text: string): Buffer => createHmac('sha256', key).update(text).digest(),

    seal: (name: string, value: string): Promise<string> =>
      new CompactEncrypt(Buffer.from(value))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: '1', name })
        .encrypt(key),
    /** @throws Unreadable when the key is another, the value was altered, or it was sealed under another name */
    async open(name: string, sealed: string): Promise<string> {
      const known = opened.get(`${name} ${sealed}`)
      if (known !== undefined) return known
      const { plaintext, protectedHeader } = await compactDecrypt(sealed, key).catch((error: unknown) => {
        throw error instanceof errors.JOSEError ? new Unreadable(`${name} can not be read: ${error.message}`) : error
      })
      if (protectedHeader.name !== name)
        throw new Unreadable(`the sealed value of ${name} belongs to ${String(protectedHeader.name)}`)
      if (opened.size >= mostOpened) opened.clear()
      const value = Buffer.from(plaintext).toString()
      opened.set(`${name} ${sealed}`, value)
      return value
    },
  }
}
