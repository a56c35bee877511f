/** Branded identifiers and the parsers that make them: untrusted text goes in at the door, nothing deeper checks again. */

declare const brand: unique symbol
type Brand<Name extends string> = string & { readonly [brand]: Name }

/** A full git object name: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits. */
export type Sha = Brand<'Sha'>
/** An OCI content digest, `sha256:` and 64 hex digits. */
export type Digest = Brand<'Digest'>
/** A run's own id. */
export type RunId = Brand<'RunId'>
/** A registered repository's own id. */
export type RepositoryId = Brand<'RepositoryId'>

/** Returns the text as a Sha, or undefined: `HEAD`, options and abbreviations are no Sha. */
export const parseSha = (text: string): Sha | undefined =>
  /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text) && !/^0+$/.test(text) ? (text as Sha) : undefined

/** Returns the text as a Digest, or undefined. */
export const parseDigest = (text: string): Digest | undefined =>
  /^sha256:[0-9a-f]{64}$/.test(text) ? (text as Digest) : undefined

/** Returns the text as a RunId, or undefined. */
export const parseRunId = (text: string): RunId | undefined =>
  /^run_[0-9a-z]{20}$/.test(text) ? (text as RunId) : undefined

/** Returns the text as a RepositoryId, or undefined. */
export const parseRepositoryId = (text: string): RepositoryId | undefined =>
  /^repo_[0-9a-z]{20}$/.test(text) ? (text as RepositoryId) : undefined

/**
 * Is this a ref name that git itself would accept (git-check-ref-format(1)), and no option?
 * Length is capped at 1,024 characters.
 */
export function isRefName(ref: string): boolean {
  if (ref.length === 0 || ref.length > longestRef || ref.startsWith('-') || ref.startsWith('/')) return false
  if (ref.endsWith('/') || ref.endsWith('.') || ref === '@') return false
  if (/^refs\/(heads|tags)\/-/.test(ref)) return false
  if (isControl.test(ref) || /[ ~^:?*[\\]|\.\.|@\{|\/\//.test(ref)) return false
  return ref.split('/').every((part) => !part.startsWith('.') && !part.endsWith('.lock'))
}

/** May a branch or a tag be called so, without `refs/heads/` before it? Git takes none then that could be an option. */
export const isShortRefName = (name: string): boolean => isRefName(`refs/heads/${name}`)

const longestRef = 1024
/** ASCII's: git takes those of Unicode. */
const isControl = /[^\P{Cc}\u0080-\u009f]/u

/** Makes an id of 20 base-36 characters (103 bits) with the given prefix from random bytes. */
export function newId<Id extends RunId | RepositoryId | string>(
  prefix: string,
  random: (bytes: number) => Uint8Array,
): Id {
  const number = BigInt(`0x${Buffer.from(random(14)).toString('hex')}`)
  return `${prefix}_${number.toString(36).padStart(20, '0').slice(-20)}` as Id
}
