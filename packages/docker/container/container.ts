import type { Readable } from 'node:stream'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { DiskLimits } from '../engine/disk-use.ts'
import {
  callBack,
  callDeadlineMs,
  type Engine,
  engineFault,
  engineMessage,
  hasStatus,
  stream,
  within,
} from '../engine/engine.ts'
import type { MetLimit } from '../engine/limit-watch.ts'
import { giveFolder } from './cache-folders.ts'
import { type Output, readOutput } from './output.ts'
import { type ContainerSpec, createContainer, isModest, workOptions } from './spec.ts'
import { watchLimits } from './watch.ts'

/** A container that works, and how it is followed. What it may write is counted in its own files; the number of files in its volumes as well. */
export interface RunOrder extends ContainerSpec, DiskLimits {
  timeoutMs: number
  signal: AbortSignal
  /** Output as it comes; a promise holds the container's writing back, so that nothing piles up. */
  onOutput(chunk: Buffer, stream: Output['stream']): void | Promise<void>
  /** Called when it has ended and is still there, for what is to be taken out of it; not when it was aborted. */
  onEnd?(id: string, ran: Ran): Promise<void>
  /** Between SIGTERM and SIGKILL, 10,000 unless told. */
  graceMs?: number
}
/** How it ended. An exit code is a result, not an error; 137 with `timedOut` or `oomKilled` says who killed it. */
export interface Ran {
  exitCode: number
  oomKilled: boolean
  timedOut: boolean
  /** It was ended for this. */
  met?: MetLimit
  durationMs: number
}

/**
 * Runs one container to its end and removes it with its own volumes. It has few capabilities, no way to gain privileges, no binds, a
 * limit on memory (swap included), processors and processes; its root stays writable, as many tests write beside their code.
 * Refuses `image_not_found`, `disk_full`, `docker_unavailable`, and `docker_daemon_restarted` once it was started.
 * At the timeout, or when the signal is aborted, it gets SIGTERM and then SIGKILL; an abort throws the signal's reason after that.
 */
export async function runContainer(engine: Engine, order: RunOrder): Promise<Outcome<Ran>> {
  try {
    return await runOnce(engine, order)
  } catch (error) {
    if (order.signal.aborted || !isModest(engine, error)) throw error
    return await runOnce(engine, order)
  }
}

async function runOnce(engine: Engine, order: RunOrder): Promise<Outcome<Ran>> {
  const progress = { id: '', midWork: false }
  try {
    const created = await createContainer(engine, order.name, workOptions(engine, order), order.signal)
    if (!created.ok) return created
    progress.id = created.value
    progress.midWork = true
    for (const { path, owner } of order.volumes ?? []) if (owner) await giveFolder(engine, progress.id, path, owner)
    const ran = await follow(engine, progress.id, order)
    order.signal.throwIfAborted()
    await callBack(async () => order.onEnd?.(progress.id, ran))
    return done(ran)
  } catch (error) {
    order.signal.throwIfAborted()
    const reason = engineFault(error, progress)
    if (reason) return { ok: false, reason }
    throw error
  } finally {
    // What can't be removed now is found by its labels later.
    const remove = () => engine.docker.getContainer(progress.id).remove({ force: true, v: true })
    if (progress.id) await within(callDeadlineMs, undefined, remove).catch(() => undefined)
  }
}

async function follow(engine: Engine, id: string, order: RunOrder): Promise<Ran> {
  const container = engine.docker.getContainer(id)
  const all = new AbortController()
  const post = (path: string) =>
    within(callDeadlineMs, order.signal, () =>
      stream(engine, { method: 'POST', path: `/containers/${id}/${path}` }, all.signal),
    )
  try {
    // Attach and wait before the start: nothing that it prints is lost, and no exit is missed.
    const output = await post('attach?stream=1&stdout=1&stderr=1')
    const pumped = pump(output, order.onOutput)
    const broken = new Promise<never>((_, reject) => pumped.catch(reject))
    broken.catch(() => undefined)
    const exit = readExit(await post('wait?condition=next-exit'))
    exit.catch(() => undefined)
    const startedMs = performance.now()
    const failed = await start(engine, id, order)
    if (failed) return { ...failed, oomKilled: false, timedOut: false, durationMs: 0 }
    const watch = killInTime(engine, id, order, () => all.abort())
    let met: MetLimit | undefined
    const limits = watchLimits(engine, id, order, (limit) => {
      met = limit
      watch.kill()
    })
    const exitCode = await Promise.race([exit, broken]).finally(() => {
      watch.end()
      limits.end()
    })
    const durationMs = Math.round(performance.now() - startedMs)
    await within(outputDeadlineMs, order.signal, () => pumped)
    const { State } = await within(callDeadlineMs, undefined, () => container.inspect())
    const ended = { exitCode, oomKilled: State.OOMKilled, timedOut: watch.timedOut(), durationMs }
    return met ? { ...ended, met } : ended
  } finally {
    all.abort()
  }
}

/** How long the rest of the output may take after the end. */
const outputDeadlineMs = 10 * 60_000

async function pump(output: Readable, onOutput: RunOrder['onOutput']): Promise<void> {
  for await (const { chunk, stream } of readOutput(output)) await callBack(() => onOutput(chunk, stream))
}

/** Reads the answer of `POST /containers/{id}/wait` as a stream: dockerode's own wait never settles when the engine dies. */
async function readExit(answer: Readable & { complete?: boolean }): Promise<number> {
  let text = ''
  for await (const chunk of answer) text += chunk
  if (answer.complete === false || text.trim() === '') throw new Error('docker stream ended early')
  const { StatusCode, Error: failure } = JSON.parse(text) as { StatusCode: number; Error?: { Message?: string } | null }
  if (failure?.Message) throw new Error(failure.Message)
  return StatusCode
}

/** A command that can't be started is the image's or the pipeline's fault: exit code 127 or 126, as a shell has it. */
async function start(engine: Engine, id: string, order: RunOrder): Promise<{ exitCode: number } | undefined> {
  try {
    await within(callDeadlineMs, order.signal, () => engine.docker.getContainer(id).start())
    return undefined
  } catch (error) {
    const message = engineMessage(error)
    const isCommand = /exec: "[^"]*": .*(not found|no such file|permission denied|is a directory|not a directory)/i
    if (!hasStatus(error, 400, 404, 500) || !isCommand.test(message)) throw error
    await order.onOutput(Buffer.from(`${message}\n`), 'err')
    return { exitCode: /permission denied|is a directory/i.test(message) ? 126 : 127 }
  }
}

/** Sends SIGTERM at the timeout or on abort, and SIGKILL after the grace; gives up on an engine that does not tell the end. */
function killInTime(
  engine: Engine,
  id: string,
  order: RunOrder,
  giveUp: () => void,
): { end(): void; timedOut(): boolean; kill(): void } {
  let timedOut = false
  const timers: NodeJS.Timeout[] = []
  const kill = (signal: string) =>
    void within(callDeadlineMs, undefined, () => engine.docker.getContainer(id).kill({ signal })).catch(() => undefined)
  const graceMs = order.graceMs ?? engine.stopMs
  const stop = () => {
    if (timers.length > 1) return
    kill('SIGTERM')
    timers.push(setTimeout(kill, graceMs, 'SIGKILL'), setTimeout(giveUp, graceMs + callDeadlineMs))
  }
  const late = () => {
    timedOut = true
    stop()
  }
  timers.push(setTimeout(late, order.timeoutMs))
  order.signal.addEventListener('abort', stop, { once: true })
  if (order.signal.aborted) stop()
  const end = () => {
    for (const timer of timers) clearTimeout(timer)
    order.signal.removeEventListener('abort', stop)
  }
  const killNow = () => {
    kill('SIGKILL')
    timers.push(setTimeout(giveUp, callDeadlineMs))
  }
  return { end, timedOut: () => timedOut, kill: killNow }
}
