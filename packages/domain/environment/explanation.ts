import Type from 'typebox'
import { oneLine } from '../reason.ts'
import { words } from '../schemas.ts'

/** What kept a release from being healthy, as one word for programs. */
export const causes = [
  'image_not_found',
  'image_refused',
  'image_unreachable',
  'program_missing',
  'config_missing',
  'init_failed',
  'crash',
  'out_of_memory',
  'not_ready',
  'not_alive',
  'unschedulable',
  'quota_exceeded',
  'admission_refused',
  'volume_unavailable',
  'job_failed',
  'wrong_image',
  'deleted',
  'slow',
] as const
export type Cause = (typeof causes)[number]

/** Something that the cluster told about what failed. */
const Happening = Type.Object({
  about: Type.String({ description: 'Like Pod/web-1.' }),
  reason: Type.String(),
  message: Type.String(),
  count: Type.Optional(Type.Integer()),
  at: Type.Optional(Type.String()),
})
export type Happening = Type.Static<typeof Happening>

/** The whole account of a release that did not become healthy, or did not stay so. */
export const Explanation = Type.Object(
  {
    workload: Type.String({ description: 'Like Deployment/web.' }),
    pod: Type.Optional(Type.String()),
    container: Type.Optional(Type.String()),
    cause: words(causes),
    text: Type.String({ description: 'One sentence without a full stop.' }),
    exitCode: Type.Optional(Type.Integer()),
    log: Type.Optional(Type.Array(Type.String(), { description: 'The last lines of the container, oldest first.' })),
    events: Type.Optional(Type.Array(Happening, { description: 'Oldest first.' })),
  },
  { $id: 'Explanation' },
)
export type Explanation = Type.Static<typeof Explanation>

const keptLines = 20
const keptEvents = 10
const longestLine = 500

/** As much of it as the record keeps. What is hidden is hidden first: a cut through a secret would show its beginning. */
export function keptExplanation(explanation: Explanation, hide: (text: string) => string): Explanation {
  const short = (text: string) => oneLine(hide(text), longestLine)
  const { log, events } = explanation
  return {
    ...explanation,
    text: short(explanation.text),
    ...(log ? { log: log.slice(-keptLines).map(short) } : {}),
    ...(events
      ? { events: events.slice(-keptEvents).map((event) => ({ ...event, message: short(event.message) })) }
      : {}),
  }
}
