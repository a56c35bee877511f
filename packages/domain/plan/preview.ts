import type { Pipeline } from '../pipeline/pipeline.ts'
import { durationMs } from './parts.ts'

/** What makes an environment the preview of one pull request. */
export interface PlannedPreview {
  /** The environment of the pipeline file: what an admin rules for it holds for each of its previews. */
  of: string
  /** Of the pull request. */
  number: number
  /** It is removed when it was not deployed for so long. */
  ttlMs: number
  /** So many of this environment's previews may stand at a time. */
  most: number
  /** Where people find it. */
  url?: string
}

type PreviewOf = NonNullable<NonNullable<Pipeline['deploy']>[string]['preview']>

const longestNamespace = 63
const usualTtlMs = 7 * 24 * 3_600_000
const usualMost = 10

/**
 * The environment that a pull request's preview is: `preview.12`. No environment of a file can be named so, and a pull request
 * writes its file itself: what it names a preview, it never meets the place, rules or order of another environment.
 */
export const previewName = (name: string, number: number): string => `${name}.${number}`
/** The namespace of a pull request's preview: `shop-12`, cut before the number when it would be too long. */
export function previewNamespace(namespace: string, number: number): string {
  const tail = `-${number}`
  return `${namespace.slice(0, longestNamespace - tail.length).replace(/-+$/, '')}${tail}`
}

/** Puts the pull request's number where the text says `{number}`. */
export const withNumber = (text: string, number: number): string => text.replaceAll('{number}', String(number))

/** A preview with every default filled in. */
export const planPreview = (of: string, { ttl, most, url }: PreviewOf, number: number): PlannedPreview => ({
  of,
  number,
  ttlMs: durationMs(ttl, usualTtlMs),
  most: most ?? usualMost,
  ...(url === undefined ? {} : { url: withNumber(url, number) }),
})

/** The environment whose rules hold: of a preview, the one in the pipeline file. */
export const ruledAs = ({ name, preview }: { name: string; preview?: { of: string } | undefined }): string =>
  preview?.of ?? name
