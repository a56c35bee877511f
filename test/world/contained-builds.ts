import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildImage } from '@taxiway/docker/build/build.ts'
import { packContext } from '@taxiway/docker/build/context.ts'
import { limitBuildSteps } from '@taxiway/docker/build/step-limits.ts'
import type { Egress } from '@taxiway/docker/engine/egress.ts'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { startOwnEngine } from './own-engine.ts'

const limits = { memoryMb: 64, pids: 40, cpus: 0.5, diskMb: 50, files: 2000 }

/** Begins a Dockerfile; `$ONCE` is another text in each build, so that nothing comes from the cache. */
export const base = 'FROM busybox:stable\nRUN echo $ONCE\n'

/** Builds Dockerfiles on an engine of its own, within small limits. */
export async function startContainedBuilds() {
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-builds-'))
  const own = await startOwnEngine(join(folder, 'engine'), connectEngine({ dockerHost: process.env.DOCKER_HOST ?? '' }))
  const limiter = await limitBuildSteps({ ...limits, cgroup: own.cgroup })
  return {
    folder,
    own,
    /** @returns how the build ended, and all lines of it */
    async build(dockerfile: string, more: { deadlineMs?: number; egress?: Egress } = {}) {
      const context = mkdtempSync(join(folder, 'context-'))
      writeFileSync(join(context, 'Dockerfile'), dockerfile.replaceAll('$ONCE', randomBytes(6).toString('hex')))
      const packed = await packContext({
        folder: context,
        subfolder: '.',
        dockerfile: 'Dockerfile',
        maxMb: 5,
        maxFiles: 9,
      })
      if (!packed.ok) return { outcome: packed, output: '' }
      const lines: string[] = []
      const outcome = await buildImage(
        more.egress ? { ...own.engine, work: { egress: more.egress, subnet: '' } } : own.engine,
        {
          image: 'web',
          context: packed.value,
          cacheMounts: 'containment',
          tags: [`taxiway-work/test:${randomBytes(4).toString('hex')}`],
          steps: { ...limits, limiter },
          signal: new AbortController().signal,
          deadlineMs: more.deadlineMs ?? 60_000,
          onLine: ({ text }) => void lines.push(text),
        },
      )
      return { outcome, output: lines.join('\n') }
    },
    async stop() {
      limiter.stop()
      await own.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
