import type { ContainerView } from '../container/release-container.ts'
import { type Engine, pause } from '../engine/engine.ts'
import type { Probe } from '../release/pod.ts'
import { makeQuestion } from '../release/readiness.ts'

/** A container, and how to ask whether it is ready. */
export interface Candidate {
  container: ContainerView
  probe: Probe
}
/** Which containers are ready: asked for as long as they are of interest. */
export interface Readiness {
  /** Asks these from now on, and no others. */
  ask(candidates: readonly Candidate[]): void
  isReady(candidate: Candidate): boolean
  /** Resolves when each has answered once, or at the deadline. */
  answered(deadlineMs: number): Promise<void>
  close(): void
}
interface Asked {
  isReady: boolean
  stop: AbortController
  first: Promise<void>
}
const whileUnreadyMs = 200

/** Asks containers whether they are ready; `onChange` hears when one has become so, or is no more. */
export function makeReadiness(engine: Engine, onChange: () => void): Readiness {
  const asked = new Map<string, Asked>()
  const begin = (candidate: Candidate): Asked => {
    const { promise: first, resolve } = Promise.withResolvers<void>()
    const one: Asked = { isReady: false, stop: new AbortController(), first }
    const told = (isReady: boolean) => {
      const isNews = isReady !== one.isReady
      one.isReady = isReady
      resolve()
      if (isNews) onChange()
    }
    askAgain(engine, candidate, told, one.stop.signal).catch(() => resolve())
    return one
  }
  return {
    ask(candidates) {
      const keys = new Map(candidates.map((candidate) => [keyOf(candidate), candidate]))
      for (const [key, { stop }] of asked) {
        if (keys.has(key)) continue
        stop.abort(new Error('it is of no interest any more'))
        asked.delete(key)
      }
      for (const [key, candidate] of keys) if (!asked.has(key)) asked.set(key, begin(candidate))
    },
    isReady: (candidate) => asked.get(keyOf(candidate))?.isReady ?? false,
    async answered(deadlineMs) {
      const all = Promise.all([...asked.values()].map(({ first }) => first))
      await Promise.race([all, pause(deadlineMs)])
    },
    close() {
      for (const { stop } of asked.values()) stop.abort(new Error('the proxy ends'))
      asked.clear()
    },
  }
}

/** A container that was started again is another one to ask. */
const keyOf = ({ container: { id, startedAt, ip }, probe }: Candidate): string =>
  JSON.stringify([id, startedAt, ip, probe])

/** As the kubelet does it: in its period while all is well, and what was ready stays so until it failed as often as its threshold says. */
async function askAgain(
  engine: Engine,
  { container, probe }: Candidate,
  told: (isReady: boolean) => void,
  signal: AbortSignal,
): Promise<void> {
  const question = makeQuestion(engine, { probe })
  let isReady = false
  let failures = 0
  for (;;) {
    const untilMs = performance.now() + probe.timeoutMs + 1_000
    const objection = await question(container, untilMs, signal).catch((error) => {
      signal.throwIfAborted()
      return String(error)
    })
    failures = objection === undefined ? 0 : failures + 1
    isReady = objection === undefined || (isReady && failures < probe.failures)
    told(isReady)
    await pause(objection === undefined ? probe.calmMs : isReady ? probe.periodMs : whileUnreadyMs, signal)
  }
}
