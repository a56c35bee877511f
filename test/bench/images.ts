import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { makeWorld } from '../world/make-world.ts'
import { isOver } from '../world/taxiway.ts'
import { writeFiles } from '../world/world.ts'
import type { BenchContext, BenchResult } from './figures.ts'
import { dockerProgram, interleave, taken } from './interleave.ts'

const run = promisify(execFile)
const names = ['one', 'two', 'three']
const file = (name: string) => `Dockerfile.${name}`

/** Three images of one pipeline, each a second of work, against `docker build` of one after another. */
export async function images({ folder, environment, rounds, say }: BenchContext): Promise<BenchResult> {
  const place = join(folder, 'images')
  const world = await makeWorld({ folder: place, environment, target: 'docker', name: 'acme/three-images', say })
  const bare = join(place, 'bare')
  mkdirSync(bare, { recursive: true })
  const pipeline = { version: 1, images: Object.fromEntries(names.map((name) => [name, { dockerfile: file(name) }])) }
  const options = { cwd: bare, env: { ...process.env, ...environment, DOCKER_BUILDKIT: '1' } }
  try {
    return await interleave({
      figure: 'three images side by side, of one after another',
      goal: 0.5,
      rounds,
      say,
      async ours() {
        const { runId } = await world.push({ '.taxiway.yaml': JSON.stringify(pipeline), ...dockerfiles() }, 'again')
        const ended = await world.taxiway.waitRun(runId, isOver, 300_000)
        if (ended.state !== 'succeeded') throw new Error(`the run ${ended.state}: ${ended.reason?.message}`)
        const build = ended.stages.find(({ name }: { name: string }) => name === 'build')
        return Date.parse(build.finishedAt) - Date.parse(build.startedAt)
      },
      async bare() {
        writeFiles(bare, dockerfiles())
        return taken(async () => {
          for (const name of names) await run(dockerProgram, ['build', '--quiet', '--file', file(name), '.'], options)
        })
      },
    })
  } finally {
    await world.stop()
  }
}

/** Never the same twice, so that no step comes from the build cache. */
const dockerfiles = (): Record<string, string> =>
  Object.fromEntries(
    names.map((name) => [
      file(name),
      `FROM busybox:stable\nRUN echo "${name} ${performance.now()}" > /made && sleep 1\n`,
    ]),
  )
