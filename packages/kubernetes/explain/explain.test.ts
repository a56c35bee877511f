import { done } from '@taxiway/domain/reason.ts'
import { expect, test } from 'vitest'
import { plain } from '../apply/refusal.ts'
import type { Cluster } from '../cluster/call.ts'
import type { Pod } from '../object.ts'
import { explainWorkload } from './explain.ts'
import { makeLasting, makeNews, type Question, type Seen } from './finding.ts'
import { runtimeMessage } from './why-pods.ts'

test("a runtime's message loses the preambles of every layer", () => {
  expect(
    runtimeMessage(
      'rpc error: code = Unknown desc = Error response from daemon: manifest for a/b@sha256:1 not found: manifest unknown: manifest unknown',
    ),
  ).toBe('manifest for a/b@sha256:1 not found: manifest unknown')
  expect(
    runtimeMessage(
      'rpc error: code = NotFound desc = failed to pull and unpack image "a/b@sha256:1": failed to resolve reference "a/b@sha256:1": a/b@sha256:1: not found',
    ),
  ).toBe('a/b@sha256:1: not found')
})

test("the server's objections lose their preamble, not their path", () => {
  expect(plain('Service "web" is invalid: spec.ports[0].port: Invalid value: 99999: must be between 1 and 65535')).toBe(
    'spec.ports[0].port: Invalid value: 99999: must be between 1 and 65535',
  )
  expect(plain('Deployment.apps "web" is invalid: spec.x: Required value.')).toBe('spec.x: Required value')
  expect(plain('failed to create typed patch object: .spec.bogus: field not declared in schema')).toBe(
    'spec.bogus is a field that this cluster does not know',
  )
})

const log = 'connecting\ndatabase is not there yet\n'
const cluster = {
  call: async ({ path }: { path: string }) => done({ status: 200, body: path.endsWith('/log') ? log : { items: [] } }),
} as unknown as Cluster
const crashing = (restartCount: number): Seen => ({
  workload: { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'app' } },
  health: { state: 'progressing', detail: '0 of 1 pods ready' },
  pods: [
    {
      metadata: { name: 'app-1' },
      spec: { containers: [{ name: 'app' }] },
      status: {
        containerStatuses: [
          {
            name: 'app',
            ready: false,
            restartCount,
            state: { waiting: { reason: 'CrashLoopBackOff' } },
            lastState: { terminated: { exitCode: 1 } },
          },
        ],
      },
    } as Pod,
  ],
  isMakingRoom: false,
})
/** Looks at it, and what is said meanwhile. */
async function looks(counts: number[], more: Partial<Question> = {}) {
  const lines: string[] = []
  const wait = {
    untilMs: performance.now() + 5_000,
    signal: new AbortController().signal,
    say: (line: string) => void lines.push(line),
  }
  const question = { namespace: 'shop', lasting: makeLasting(), isNews: makeNews(), over: false, ...more }
  let finding: Awaited<ReturnType<typeof explainWorkload>>
  for (const count of counts) finding = await explainWorkload(cluster, crashing(count), question, wait)
  return { finding, lines }
}

test('a program that exits until its database is there is waited for, and told each time it was started again', async () => {
  expect(await looks([0, 1, 1, 3, 3])).toEqual({
    finding: undefined,
    lines: [
      'app: restarted once, exit 1: database is not there yet',
      'app: restarted 3 times, exit 1: database is not there yet',
    ],
  })
})

test('it is given up when the time is over, or when it was started again as often as the release says', async () => {
  const explanation = { cause: 'crash', text: 'crash loop, exit 1: database is not there yet' }
  expect((await looks([5], { over: true })).finding).toMatchObject({ explanation })
  expect((await looks([3], { restarts: 4 })).finding).toBeUndefined()
  expect((await looks([4], { restarts: 4 })).finding).toMatchObject({ final: true, explanation })
})

test('an init container that has not ended when the time is over is named, with its last line; one that goes on beside is not', async () => {
  const running = { state: { running: {} }, ready: false, restartCount: 0 }
  const pod = {
    metadata: { name: 'web-1' },
    spec: {
      containers: [{ name: 'web' }],
      initContainers: [{ name: 'proxy', restartPolicy: 'Always' }, { name: 'wait' }],
    },
    status: {
      phase: 'Pending',
      initContainerStatuses: [
        { name: 'proxy', ...running },
        { name: 'wait', ...running },
      ],
      containerStatuses: [
        { name: 'web', ready: false, restartCount: 0, state: { waiting: { reason: 'PodInitializing' } } },
      ],
    },
  } as unknown as Pod
  const workload = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' } }
  const health = { state: 'progressing', detail: '0 of 1 pods ready' } as Seen['health']
  const question = { namespace: 'shop', lasting: makeLasting(), isNews: makeNews(), over: true }
  const wait = { untilMs: Number.POSITIVE_INFINITY, signal: new AbortController().signal, say: () => {} }
  const finding = await explainWorkload(cluster, { workload, health, pods: [pod], isMakingRoom: false }, question, wait)
  expect(finding?.explanation).toMatchObject({
    container: 'wait',
    text: 'init container wait has not ended: database is not there yet',
  })
})
