import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BuildOrder, buildImage } from '@taxiway/docker/build/build.ts'
import { packContext } from '@taxiway/docker/build/context.ts'
import { type RunOrder, runContainer } from '@taxiway/docker/container/container.ts'
import * as release from '@taxiway/docker/container/release-container.ts'
import { connectEngine, type Engine } from '@taxiway/docker/engine/engine.ts'
import { label, objectName, removeRun, workImage, workLabels } from '@taxiway/docker/engine/labels.ts'
import { newId } from '@taxiway/domain/ids.ts'
import { afterAll } from 'vitest'

/** Nobody aborts it. */
export const never = new AbortController().signal

/** What tests of the engine share: a run of their own, whose images, containers and networks go at the end. */
export function dockerScene() {
  const engine: Engine = {
    ...connectEngine({ dockerHost: process.env.DOCKER_HOST ?? '' }),
    installation: randomBytes(4).toString('hex'),
  }
  const registry = process.env.TAXIWAY_REGISTRY ?? ''
  const folder = mkdtempSync(join(tmpdir(), 'docker-'))
  const run = newId<string>('run', randomBytes)
  const owner = (step: string, attempt = 1) => ({ run, attempt, step, repository: 'shop/web' })
  afterAll(async () => {
    await removeRun(engine, run)
    rmSync(folder, { recursive: true, force: true })
  }, 60_000)

  async function build(dockerfile: string, more: Partial<BuildOrder> = {}, by = engine) {
    const context = mkdtempSync(join(folder, 'context-'))
    writeFileSync(join(context, 'Dockerfile'), dockerfile)
    writeFileSync(join(context, 'a.txt'), 'a')
    symlinkSync('/etc/passwd', join(context, 'link'))
    writeFileSync(join(context, '.dockerignore'), 'ignored.txt\n')
    writeFileSync(join(context, 'ignored.txt'), 'i')
    const packed = await packContext({
      folder: context,
      subfolder: '.',
      dockerfile: 'Dockerfile',
      maxMb: 5,
      maxFiles: 100,
    })
    if (!packed.ok) throw new Error(packed.reason.message)
    const lines: string[] = []
    const order = {
      image: 'web',
      tags: [workImage(engine, owner('web'))],
      signal: never,
      deadlineMs: 60_000,
      cacheMounts: run,
      ...more,
    }
    const built = await buildImage(by, {
      ...order,
      context: packed.value,
      onLine(line) {
        lines.push(line.text)
        return more.onLine?.(line)
      },
    })
    return { built, lines }
  }

  async function runs(step: string, script: string, more: Partial<RunOrder> = {}, by = engine) {
    const chunks: Buffer[] = []
    const ran = await runContainer(by, {
      name: objectName(owner(step)),
      image: 'busybox:stable',
      command: ['sh', '-c', script],
      labels: workLabels(owner(step)),
      network: 'none',
      memoryMb: 64,
      cpus: 1,
      pids: 64,
      timeoutMs: 30_000,
      signal: never,
      onOutput: (chunk) => void chunks.push(chunk),
      ...more,
    })
    return { ran, output: Buffer.concat(chunks).toString() }
  }
  const ours = async () =>
    (await release.listContainers(engine, { [label.run]: run })).map((container) => container.name)
  return { engine, registry, folder, run, owner, build, runs, ours }
}
