import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { ContainerInspectInfo } from 'dockerode'
import { callDeadlineMs, type Engine, engineFault, hasStatus, stream, within } from '../engine/engine.ts'
import { readOutput } from './output.ts'
import { createContainer, type ReleaseSpec, releaseOptions } from './spec.ts'

/** A container as others need to see it. */
export interface ContainerView {
  id: string
  name: string
  /** What it was made from, as it was asked for. */
  image: string
  imageId: string
  labels: Record<string, string>
  state: 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead'
  exitCode: number
  oomKilled: boolean
  restarts: number
  /** Address on its first network; empty while it has none. */
  ip: string
  startedAt: string
}

/**
 * Starts a container that carries a release (labels get role=release, restarted unless stopped) and returns it once it
 * has an address. A container of the same name from an earlier try of the same environment and run is replaced.
 */
export async function startContainer(
  engine: Engine,
  spec: ReleaseSpec,
  signal: AbortSignal,
): Promise<Outcome<ContainerView>> {
  const created = await createContainer(engine, spec.name, releaseOptions(spec), signal)
  if (!created.ok) return created
  const container = engine.docker.getContainer(created.value)
  try {
    await within(callDeadlineMs, signal, () => container.start())
    return done(toView(await within(callDeadlineMs, signal, () => container.inspect())))
  } catch (error) {
    await removeContainer(engine, created.value).catch(() => undefined)
    signal.throwIfAborted()
    const reason = engineFault(error, { midWork: true })
    if (reason) return { ok: false, reason }
    throw error
  }
}

/** A container by id or name; undefined when there is none. */
export async function inspectContainer(
  engine: Engine,
  id: string,
  signal?: AbortSignal,
): Promise<ContainerView | undefined> {
  try {
    return toView(await within(callDeadlineMs, signal, () => engine.docker.getContainer(id).inspect()))
  } catch (error) {
    if (hasStatus(error, 404)) return undefined
    throw error
  }
}

/** Containers, stopped ones too, that have all these labels. */
export async function listContainers(
  engine: Engine,
  labels: Record<string, string>,
  signal?: AbortSignal,
): Promise<ContainerView[]> {
  const filters = { label: Object.entries(labels).map(([name, value]) => `${name}=${value}`) }
  const found = await within(callDeadlineMs, signal, () => engine.docker.listContainers({ all: true, filters }))
  const views = await Promise.all(found.map((container) => inspectContainer(engine, container.Id, signal)))
  return views.filter((view) => view !== undefined)
}

/** Stops a container (SIGTERM, SIGKILL after the grace) and removes it with its volumes. Gone is success. */
export async function stopContainer(engine: Engine, id: string, graceMs = engine.stopMs): Promise<void> {
  const container = engine.docker.getContainer(id)
  const seconds = Math.ceil(graceMs / 1000)
  await within(graceMs + callDeadlineMs, undefined, () => container.stop({ t: seconds })).catch((error) => {
    if (!hasStatus(error, 304, 404)) throw error
  })
  await removeContainer(engine, id)
}

/** Ends a container (SIGTERM, SIGKILL after the grace) and starts it again; its address may be another then. */
export async function restartContainer(engine: Engine, id: string): Promise<void> {
  const seconds = Math.ceil(engine.stopMs / 1000)
  await within(engine.stopMs + callDeadlineMs, undefined, () => engine.docker.getContainer(id).restart({ t: seconds }))
}

/** Starts a container that has ended. False: the engine can't. */
export async function resumeContainer(engine: Engine, id: string): Promise<boolean> {
  try {
    await within(callDeadlineMs, undefined, () => engine.docker.getContainer(id).start())
    return true
  } catch (error) {
    if (hasStatus(error, 304)) return true
    if (hasStatus(error, 400, 404, 409, 500)) return false
    throw error
  }
}

/** Removes a container at once. Gone, or being removed, is success. */
export async function removeContainer(engine: Engine, id: string): Promise<void> {
  const remove = () => engine.docker.getContainer(id).remove({ force: true, v: true })
  await within(callDeadlineMs, undefined, remove).catch((error) => {
    if (!hasStatus(error, 404, 409)) throw error
  })
}

/** Waits until a container ends the next time. @returns its exit code */
export async function nextExit(engine: Engine, id: string, abortSignal: AbortSignal): Promise<number> {
  const { StatusCode } = await engine.docker.getContainer(id).wait({ condition: 'next-exit', abortSignal })
  return StatusCode
}

/** The last lines that a container printed, both streams as they came; at most 64 KB. Empty when it is gone. */
export async function containerLogsTail(
  engine: Engine,
  id: string,
  lines: number,
  signal?: AbortSignal,
): Promise<string[]> {
  try {
    const bytes = await within(callDeadlineMs, signal, async (abortSignal) => {
      const path = `/containers/${id}/logs?stdout=1&stderr=1&tail=${lines}`
      return collect(await stream(engine, { method: 'GET', path }, abortSignal))
    })
    return bytes
      .toString('utf8')
      .split(/\r?\n/)
      .filter((line) => line !== '')
      .slice(-lines)
  } catch (error) {
    if (hasStatus(error, 404)) return []
    throw error
  }
}

/** Runs a command in a running container and returns its exit code; undefined when it has none within the timeout. */
export async function execProbe(
  engine: Engine,
  id: string,
  command: string[],
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<{ exitCode: number | undefined; output: string }> {
  try {
    return await within(timeoutMs, signal, async (abortSignal) => {
      const exec = await engine.docker
        .getContainer(id)
        .exec({ Cmd: command, AttachStdout: true, AttachStderr: true, abortSignal })
      const call = { method: 'POST', path: `/exec/${exec.id}/start`, options: { Detach: false, Tty: false } }
      const output = (await collect(await stream(engine, call, abortSignal))).toString('utf8')
      return { exitCode: (await exec.inspect()).ExitCode ?? undefined, output }
    })
  } catch (error) {
    signal?.throwIfAborted()
    // Too late, gone, or not running: the probe has failed, whatever the cause.
    if (hasStatus(error, 404, 409, 400) || (error as { code?: string }).code === 'ETIMEDOUT')
      return { exitCode: undefined, output: '' }
    throw error
  }
}

const maxCollectedBytes = 64 * 1024

async function collect(answer: AsyncIterable<Buffer>): Promise<Buffer> {
  let bytes = Buffer.alloc(0)
  for await (const { chunk } of readOutput(answer)) bytes = Buffer.concat([bytes, chunk]).subarray(-maxCollectedBytes)
  return bytes
}

const toView = (info: ContainerInspectInfo): ContainerView => ({
  id: info.Id,
  name: info.Name.replace(/^\//, ''),
  image: info.Config.Image,
  imageId: info.Image,
  labels: info.Config.Labels ?? {},
  state: info.State.Status as ContainerView['state'],
  exitCode: info.State.ExitCode,
  oomKilled: info.State.OOMKilled,
  restarts: info.RestartCount,
  ip: Object.values(info.NetworkSettings.Networks ?? {})[0]?.IPAddress ?? '',
  startedAt: info.State.StartedAt,
})
