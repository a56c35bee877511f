import { CompactEncrypt, compactDecrypt } from 'jose'

export type Secrets = ReturnType<typeof makeSecrets>

/** Encrypts values at rest: JWE compact, direct key, AES-256-GCM (RFC 7516), bound to the name they are kept under. */
export function makeSecrets(key: Uint8Array) {
  return {
    seal: (name: string, value: string): Promise<string> =>
      new CompactEncrypt(Buffer.from(value))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: '1', name })
        .encrypt(key),
    /** @throws when the key is another, the value was altered, or it was sealed under another name */
    async open(name: string, sealed: string): Promise<string> {
      const { plaintext, protectedHeader } = await compactDecrypt(sealed, key)
      if (protectedHeader.name !== name)
        throw new Error(`the sealed value of ${name} belongs to ${String(protectedHeader.name)}`)
      return Buffer.from(plaintext).toString()
    },
  }
}
