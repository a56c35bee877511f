import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { makeWorld } from '../scenes/make-world.ts'
import { isOver } from '../taxiway.ts'
import { type BenchContext, type BenchResult, median, round } from './figures.ts'

const run = promisify(execFile)
const names = ['one', 'two', 'three']
const file = (name: string) => `Dockerfile.${name}`

/** Three images of one pipeline, each a second of work, against `docker build` of one after another, in turn. */
export async function images({ folder, environment, rounds, say }: BenchContext): Promise<BenchResult> {
  const world = await makeWorld({
    folder: join(folder, 'images'),
    environment,
    target: 'docker',
    name: 'acme/three-images',
    say,
  })
  const bare = join(folder, 'images', 'bare')
  mkdirSync(bare, { recursive: true })
  const ratios: number[] = []
  try {
    const pipeline = { version: 1, images: Object.fromEntries(names.map((name) => [name, { dockerfile: file(name) }])) }
    for (let index = 0; index <= rounds; index++) {
      const { runId } = await world.push(
        { '.taxiway.yaml': JSON.stringify(pipeline), ...dockerfiles(`ours ${Date.now()}`) },
        `round ${index}`,
      )
      const ended = await world.taxiway.waitRun(runId, isOver, 300_000)
      if (ended.state !== 'succeeded') throw new Error(`the run ${ended.state}: ${ended.reason?.message}`)
      const build = ended.stages.find(({ name }: { name: string }) => name === 'build')
      const oursMs = Date.parse(build.finishedAt) - Date.parse(build.startedAt)
      for (const [name, text] of Object.entries(dockerfiles(`bare ${Date.now()}`)))
        writeFileSync(join(bare, name), text)
      const startedMs = performance.now()
      for (const name of names)
        await run('docker', ['build', '--quiet', '--file', file(name), '.'], {
          cwd: bare,
          env: { ...process.env, ...environment, DOCKER_BUILDKIT: '1' },
        })
      const otherMs = performance.now() - startedMs
      if (index === 0) continue
      ratios.push(oursMs / otherMs)
      say(`images round ${index}: ${round(oursMs, 0)} ms against ${round(otherMs, 0)} ms`)
    }
  } finally {
    await world.stop()
  }
  const ratio = round(median(ratios), 2)
  return {
    rows: [
      {
        figure: 'three images side by side, of one after another',
        goal: '<= 0.50',
        measured: `${ratio} (${ratios.length} rounds)`,
        holds: ratio <= 0.5,
      },
    ],
    figures: { ratio, rounds: ratios.length },
  }
}

/** The nonce keeps every round's step out of the build cache. */
const dockerfiles = (nonce: string): Record<string, string> =>
  Object.fromEntries(
    names.map((name) => [file(name), `FROM busybox:stable\nRUN echo "${nonce} ${name}" > /made && sleep 1\n`]),
  )
