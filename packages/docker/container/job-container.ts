import { done, type Outcome } from '@taxiway/domain/reason.ts'
import {
  callBack,
  callDeadlineMs,
  type Engine,
  engineFault,
  engineMessage,
  hasStatus,
  pause,
  stream,
  within,
} from '../engine/engine.ts'
import { readOutput } from './output.ts'
import { type ContainerView, inspectContainer, listContainers, stopContainer } from './release-container.ts'
import { type ContainerSpec, createContainer, jobOptions } from './spec.ts'

export interface JobOrder extends ContainerSpec {
  timeoutMs: number
  signal: AbortSignal
  /** Output as it comes; a promise holds it back. */
  onOutput(chunk: Buffer): void | Promise<void>
}
/** How the container of a job ended. */
export interface JobRan {
  exitCode: number
  oomKilled: boolean
  timedOut: boolean
}
const lookMs = 200
const restMs = 10_000

/**
 * Runs a container to its end, or waits for the one of this name that is there already: it is never made a second time. It stays
 * there, ended, until it is removed, so that whoever comes after a crash finds how it ended. An abort leaves it as it is.
 */
export async function runJobContainer(engine: Engine, order: JobOrder): Promise<Outcome<JobRan>> {
  try {
    const found = await inspectContainer(engine, order.name, order.signal)
    if (!found || found.state === 'created') {
      const started = await start(engine, order)
      if (!started.ok) return started
      if (started.value) return done({ ...started.value, oomKilled: false, timedOut: false })
    }
    return await follow(engine, order)
  } catch (error) {
    order.signal.throwIfAborted()
    const reason = engineFault(error, { midWork: false })
    if (reason) return { ok: false, reason }
    throw error
  }
}

/** @returns how it ended, when it could not even begin: 127 as a shell has it */
async function start(engine: Engine, order: JobOrder): Promise<Outcome<{ exitCode: number } | undefined>> {
  const created = await createContainer(engine, order.name, jobOptions(order), order.signal)
  if (!created.ok) return created
  try {
    await within(callDeadlineMs, order.signal, () => engine.docker.getContainer(created.value).start())
    return done(undefined)
  } catch (error) {
    if (!hasStatus(error, 400, 404, 500)) throw error
    await callBack(async () => order.onOutput(Buffer.from(`${engineMessage(error)}\n`)))
    return done({ exitCode: 127 })
  }
}

async function follow(engine: Engine, order: JobOrder): Promise<Outcome<JobRan>> {
  const closed = new AbortController()
  const read = readLog(engine, order, AbortSignal.any([closed.signal, order.signal]))
  read.catch(() => undefined)
  try {
    for (;;) {
      const found = await inspectContainer(engine, order.name, order.signal)
      if (!found) return done({ exitCode: 137, oomKilled: false, timedOut: false })
      if (found.state === 'exited' || found.state === 'dead') {
        await Promise.race([read, pause(restMs, order.signal)])
        return done({ exitCode: found.exitCode, oomKilled: found.oomKilled, timedOut: false })
      }
      if (Date.now() - Date.parse(found.startedAt) > order.timeoutMs) {
        await engine.docker.getContainer(found.id).stop({ t: Math.ceil(engine.stopMs / 1000) })
        return done({ exitCode: found.exitCode, oomKilled: false, timedOut: true })
      }
      await pause(lookMs, order.signal)
    }
  } finally {
    closed.abort()
  }
}

async function readLog(engine: Engine, { name, onOutput }: JobOrder, signal: AbortSignal): Promise<void> {
  const path = `/containers/${name}/logs?follow=1&stdout=1&stderr=1`
  const answer = await within(callDeadlineMs, signal, () => stream(engine, { method: 'GET', path }, signal))
  for await (const { chunk } of readOutput(answer)) await callBack(() => onOutput(chunk))
}

/** Removes the containers of jobs that have these labels, after they were asked to end. */
export async function removeJobContainers(
  engine: Engine,
  labels: Record<string, string>,
  isWanted: (container: ContainerView) => boolean = () => true,
): Promise<void> {
  const found = await listContainers(engine, labels)
  await Promise.all(found.filter(isWanted).map(({ id }) => stopContainer(engine, id)))
}
