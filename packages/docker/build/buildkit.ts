import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { lastWords } from '@taxiway/domain/reason.ts'

/** What BuildKit tells about a build, a part at a time (moby/buildkit api/services/control/control.proto). */
export interface BuildStatus {
  vertexes: { digest: string; name: string; cached: boolean; started?: unknown; completed?: unknown; error: string }[]
  logs: { vertex: string; stream: { toString(): string }; msg: Uint8Array }[]
  warnings: { short: Uint8Array }[]
}
/** One line for people: what the builder does, or what a step printed. */
export interface BuildLine {
  stream: 'out' | 'err' | 'progress'
  text: string
}

/** Loads the decoder of `moby.buildkit.trace` events: on the first build, as it costs some megabytes. */
export async function loadStatusDecoder(): Promise<(aux: string) => BuildStatus> {
  decoder ??= load()
  return decoder
}
let decoder: ReturnType<typeof load> | undefined

async function load(): Promise<(aux: string) => BuildStatus> {
  const { default: protobuf } = await import('protobufjs')
  const folder = dirname(createRequire(import.meta.url).resolve('dockerode'))
  const root = await protobuf.load(join(folder, 'proto/buildkit_status.proto'))
  const type = root.lookupType('moby.buildkit.v1.StatusResponse')
  return (aux) => type.decode(Buffer.from(aux, 'base64')) as unknown as BuildStatus
}

/** A step of the build as far as it is known. */
export interface BuildStep {
  number: number
  name: string
  error: string
  lastLine: string
}
interface Step extends Omit<BuildStep, 'lastLine'> {
  /** Its last lines that are not empty. */
  recent: string[]
  told: boolean
  ended: boolean
  held: { out: Buffer; err: Buffer }
}

const mostWords = 1000
const mostRecent = 9
const maxHeldBytes = 64 * 1024

/** Turns statuses into lines: each step is named once, its output follows line by line, unfinished lines are held back. */
export function makeBuildLog(): {
  add(status: BuildStatus): BuildLine[]
  /** What is left of unfinished lines. */
  end(): BuildLine[]
  /** The step that failed, if one did. */
  failed(): BuildStep | undefined
} {
  const steps = new Map<string, Step>()
  const stepOf = (digest: string): Step => {
    const known = steps.get(digest)
    if (known) return known
    const held = { out: Buffer.alloc(0), err: Buffer.alloc(0) }
    const step = { number: steps.size + 1, name: '', error: '', recent: [], told: false, ended: false, held }
    steps.set(digest, step)
    return step
  }
  const add = (status: BuildStatus) => [
    ...status.vertexes.flatMap((vertex) => vertexLines(stepOf(vertex.digest), vertex)),
    ...status.logs.flatMap((log) =>
      logLines(stepOf(log.vertex), log.stream.toString() === '2' ? 'err' : 'out', log.msg),
    ),
    ...status.warnings.map((warning) => progress(`WARNING: ${Buffer.from(warning.short).toString('utf8')}`)),
  ]
  const end = () => [...steps.values()].flatMap(flush)
  // The first to fail is the cause: what ran beside it ends as cancelled.
  const failed = () => {
    const all = [...steps.values()].filter((step) => step.error !== '')
    const first = all.find((step) => !/context canceled|CANCELED/i.test(step.error)) ?? all[0]
    return first && { ...first, lastLine: lastWords(first.recent, mostWords) }
  }
  return { add, end, failed }
}

const progress = (text: string): BuildLine => ({ stream: 'progress', text })

function vertexLines(step: Step, vertex: BuildStatus['vertexes'][number]): BuildLine[] {
  const lines: BuildLine[] = []
  step.name = vertex.name || step.name
  if (!step.told && (vertex.started || vertex.cached || vertex.error)) {
    step.told = true
    lines.push(progress(`#${step.number} ${step.name}`))
  }
  if (step.ended || !(vertex.completed || vertex.error)) return lines
  step.ended = true
  step.error = vertex.error
  lines.push(...flush(step))
  if (vertex.error) lines.push(progress(`#${step.number} ERROR: ${vertex.error}`))
  else lines.push(progress(`#${step.number} ${vertex.cached ? 'CACHED' : 'DONE'}`))
  return lines
}

function logLines(step: Step, stream: 'out' | 'err', msg: Uint8Array): BuildLine[] {
  const bytes = Buffer.concat([step.held[stream], msg])
  const end = bytes.length > maxHeldBytes ? bytes.length : bytes.lastIndexOf(10) + 1
  step.held[stream] = bytes.subarray(end)
  return end === 0 ? [] : toLines(step, stream, bytes.subarray(0, end))
}

const flush = (step: Step): BuildLine[] =>
  (['out', 'err'] as const).flatMap((stream) => {
    const rest = step.held[stream]
    step.held[stream] = Buffer.alloc(0)
    return rest.length === 0 ? [] : toLines(step, stream, rest)
  })

function toLines(step: Step, stream: 'out' | 'err', bytes: Buffer): BuildLine[] {
  const texts = bytes
    .toString('utf8')
    .replace(/\r?\n$/, '')
    .split(/\r?\n/)
  step.recent = [...step.recent, ...texts.filter((text) => text.trim() !== '').slice(-mostRecent)].slice(-mostRecent)
  return texts.map((text) => ({ stream, text: `#${step.number} ${text}` }))
}
