import { request } from 'node:http'
import type { Measure } from '@taxiway/domain/plan/strategy.ts'
import { isReady } from '../health/pod.ts'
import type { KubeObject, Pod } from '../object.ts'
import { besideOf } from './beside.ts'

type HttpMeasure = Extract<Measure, { kind: 'http' }>
interface Asked {
  good: number
  bad: number
  /** What the last bad answer was: a status, or why there was none. */
  last: string
  /** Did any answer come at all? */
  answered: boolean
}

/** Between two questions; what is still open is not waited for until `atOnce` are. */
export const askEveryMs = 200
const atOnce = 20
const answerMs = 5_000

/** Asks new pods for a path, one after another, by their own addresses. */
export interface HttpProbe {
  /** Asks the next of these pods. */
  ask(pods: readonly Pod[]): void
  /** Waits for what is open. */
  settle(): Promise<void>
  /** `web: 92 % of answers were good, 99 wanted`; undefined while it can still be reached. @param over no more will be asked */
  failure(over: boolean): { name: string; text: string } | undefined
}

/** Which ports of which Deployments are asked: those that have the port, or any port when none is named. */
export function portsAsked(measure: HttpMeasure, deployments: readonly KubeObject[]): Map<string, number> {
  const ports = new Map<string, number>()
  for (const deployment of deployments) {
    const declared = containerPorts(deployment)
    const port = measure.port === undefined ? declared[0] : declared.find((one) => one === measure.port)
    if (port !== undefined) ports.set(nameOf(deployment), port)
  }
  if (ports.size === 0 && measure.port !== undefined)
    for (const deployment of deployments) ports.set(nameOf(deployment), measure.port)
  return ports
}

const nameOf = (deployment: KubeObject) => besideOf(deployment) || deployment.metadata.name

function containerPorts(deployment: KubeObject): number[] {
  const { template } = (deployment.spec ?? {}) as {
    template?: { spec?: { containers?: { ports?: { containerPort?: number }[] }[] } }
  }
  const all = (template?.spec?.containers ?? []).flatMap(({ ports }) => ports ?? [])
  return all.flatMap(({ containerPort }) => (typeof containerPort === 'number' ? [containerPort] : []))
}

/** @param pauseMs how long it will be asked: once too many answers are bad for that, no more is waited for */
export function openHttpProbe(
  measure: HttpMeasure,
  ports: ReadonlyMap<string, number>,
  pauseMs: number,
  signal: AbortSignal,
): HttpProbe {
  const asked = new Map<string, Asked>()
  const open = new Set<Promise<void>>()
  const wantedAnswers = Math.max(1, Math.floor(pauseMs / askEveryMs / ports.size))
  let turn = 0
  const note = (name: string, answer: { status?: number; error?: string }) => {
    const tally = asked.get(name) ?? { good: 0, bad: 0, last: '', answered: false }
    asked.set(name, tally)
    const isGood = answer.status !== undefined && answer.status >= 200 && answer.status < 400
    if (answer.status !== undefined) tally.answered = true
    if (isGood) tally.good++
    else {
      tally.bad++
      tally.last = answer.error ?? String(answer.status)
    }
  }
  return {
    ask(pods) {
      const able = pods.filter((pod) => ports.has(besideOf(pod)) && podAddress(pod) && isReady(pod))
      const pod = able[turn++ % Math.max(1, able.length)]
      if (!pod || open.size >= atOnce) return
      const name = besideOf(pod)
      const asking = get(podAddress(pod) as string, ports.get(name) as number, measure.path, signal)
        .then((answer) => note(name, answer))
        .finally(() => open.delete(asking))
      open.add(asking)
    },
    settle: async () => void (await Promise.allSettled([...open])),
    failure(over) {
      for (const name of ports.keys()) {
        const text = judge(asked.get(name), measure.success, over, wantedAnswers)
        if (text) return { name, text }
      }
      return undefined
    },
  }
}

/** What is wrong with the answers; early, once so many are bad that the rest can't make up for them. */
function judge(tally: Asked | undefined, success: number, over: boolean, expected: number): string | undefined {
  if (!tally) return over ? 'no new pod could be asked, so nothing is known of its answers' : undefined
  const all = tally.good + tally.bad
  const isLost = tally.bad > (Math.max(expected, all) * (100 - success)) / 100
  const rate = (100 * tally.good) / all
  if (!(over ? rate < success : isLost)) return undefined
  if (!tally.answered) return `new pods gave no answer: ${tally.last}`
  return `${percent(rate)} % of answers were good, ${success} wanted; the last bad one was ${tally.last}`
}

/** Never rounded up to what was wanted. */
const percent = (rate: number): number => Math.floor(rate * 10) / 10

export const podAddress = (pod: Pod): string | undefined => (pod.status as { podIP?: string } | undefined)?.podIP

/** One question on a connection of its own. The path is sent as it is: nothing in it can name another host. */
function get(
  host: string,
  port: number,
  path: string,
  signal: AbortSignal,
): Promise<{ status?: number; error?: string }> {
  return new Promise((resolve) => {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(answerMs)])
    const name = host.includes(':') ? `[${host}]` : host
    const asking = request(
      {
        host,
        port,
        path,
        agent: false,
        signal: deadline,
        headers: { host: `${name}:${port}`, 'user-agent': 'taxiway' },
      },
      (answer) => {
        resolve({ status: answer.statusCode ?? 0 })
        // Only the status counts.
        answer.destroy()
      },
    )
    asking.on('error', (error: NodeJS.ErrnoException) =>
      resolve({ error: deadline.aborted ? `none within ${answerMs / 1000} s` : (error.code ?? error.message) }),
    )
    asking.end()
  })
}
