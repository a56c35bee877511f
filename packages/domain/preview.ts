import type { Pipeline } from './pipeline.ts'
import { durationMs } from './plan-parts.ts'

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

const longestName = 40
const longestNamespace = 63
const usualTtlMs = 7 * 24 * 3_600_000
const usualMost = 10

/** `name-12`, not longer than a name may be: what is too long is cut before the number. */
const numbered = (name: string, number: number, longest: number): string => {
  const tail = `-${number}`
  return `${name.slice(0, longest - tail.length).replace(/-+$/, '')}${tail}`
}
/** The environment that a pull request's preview is. */
export const previewName = (name: string, number: number): string => numbered(name, number, longestName)
/** The namespace of a pull request's preview. */
export const previewNamespace = (namespace: string, number: number): string =>
  numbered(namespace, number, longestNamespace)

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

/** The environment of the file whose previews are named like this one, if there is one: both would be the same place. */
export const previewsNamedLike = (name: string, environments: NonNullable<Pipeline['deploy']>): string | undefined =>
  Object.keys(environments).find((one) => {
    const number = /-([1-9][0-9]*)$/.exec(name)?.[1]
    return environments[one]?.preview && one !== name && number && previewName(one, Number(number)) === name
  })
