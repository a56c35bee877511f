import { createHmac, randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The short name of the installation with this key. */
export const installationOf = (secretKey: Uint8Array): string =>
  createHmac('sha256', secretKey).update('installation').digest('hex').slice(0, 8)

/**
 * The key that was given, as base64 or hex, else that of the key file (mode 0600), which is made if need be.
 * @param problems takes what is wrong with it
 */
export function readKey(given: string, dataFolder: string, problems: string[]): Uint8Array {
  if (given) {
    const key = Buffer.from(given, /^[0-9a-f]{64}$/i.test(given) ? 'hex' : 'base64')
    if (key.length !== 32) problems.push('TAXIWAY_SECRET_KEY must be 32 bytes as base64 or hex')
    return key
  }
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 })
  const file = join(dataFolder, 'secret.key')
  try {
    // Exclusive, so that processes which start together agree on one key.
    writeFileSync(file, randomBytes(32).toString('base64'), { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  chmodSync(file, 0o600)
  return Buffer.from(readFileSync(file, 'utf8'), 'base64')
}
