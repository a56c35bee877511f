import type { PullPolicy } from '../pipeline/parts.ts'
import type { ImageOf } from '../pipeline/pipeline.ts'
import type { PlanContext } from './context.ts'
import { fillIn, shortSha } from './variables.ts'

export interface PlannedImage {
  name: string
  context: string
  dockerfile: string
  target?: string
  args: Record<string, string>
  /** Build argument -> image of this plan that is built first. */
  from?: Record<string, string>
  labels?: Record<string, string>
  /** Names of secrets, mounted in the build. */
  secrets?: string[]
  /** For the images that its Dockerfile names. Default: always. */
  pull?: PullPolicy
  platforms?: string[]
  /** More tags for the published image, filled in. */
  tags?: string[]
  /** The name by which manifests mean it, besides its own. */
  as?: string
  /** Globs of the files that it is made of: what they hold is its key. */
  paths?: string[]
}

export function planImage(name: string, image: ImageOf, context: PlanContext, pullOfFile?: PullPolicy): PlannedImage {
  const { target, from, labels, platforms, paths, as, pull = pullOfFile } = image
  const { variables = {} } = context
  const words = {
    branch: context.branch,
    tag: context.tag ?? '',
    sha: shortSha(context.sha ?? ''),
    number: String(context.number ?? ''),
  }
  const tags = image.tags
    ?.map((tag) => tag.replaceAll(/\{(\w+)\}/g, (_, word: keyof typeof words) => words[word] ?? ''))
    .map((tag) =>
      tag
        .replaceAll(/[^A-Za-z0-9_.-]+/g, '-')
        .replace(/^[.-]+/, '')
        .slice(0, 128),
    )
    .filter(Boolean)
  const secrets = context.trusted === false ? undefined : image.secrets
  return {
    name,
    context: image.context ?? '.',
    dockerfile: image.dockerfile ?? 'Dockerfile',
    args: Object.fromEntries(Object.entries(image.args ?? {}).map(([key, text]) => [key, fillIn(text, variables)])),
    ...(target && { target }),
    ...(from && { from }),
    ...(labels && { labels }),
    ...(secrets && { secrets }),
    ...(pull && { pull }),
    ...(platforms && { platforms }),
    ...(tags && { tags }),
    ...(paths && { paths }),
    ...(as && { as }),
  }
}
