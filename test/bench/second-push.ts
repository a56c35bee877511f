import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { makeWorld } from '../scenes/make-world.ts'
import { isOver } from '../taxiway.ts'
import { type BenchContext, type BenchResult, median, round } from './figures.ts'

const run = promisify(execFile)
const files = 2000

/** A one-line change in a repository of 2,000 files: our checkout and build, against `git fetch` and `docker build`, in turn. */
export async function secondPush({ folder, environment, rounds, say }: BenchContext): Promise<BenchResult> {
  const world = await makeWorld({
    folder: join(folder, 'second-push'),
    environment,
    target: 'docker',
    name: 'acme/many-files',
    say,
  })
  const bare = join(folder, 'second-push', 'bare')
  mkdirSync(bare, { recursive: true })
  const shell = (command: string, ...args: string[]) =>
    run(command, args, { cwd: bare, env: { ...process.env, ...environment, DOCKER_BUILDKIT: '1' } })
  const ratios: number[] = []
  try {
    writeTree(world.tree)
    for (let index = 0; index <= rounds; index++) {
      const text = `line ${Date.now()}\n`
      const { runId, sha } = await world.push({ 'src/0/0.txt': text }, `round ${index}`)
      const ended = await world.taxiway.waitRun(runId, isOver, 300_000)
      if (ended.state !== 'succeeded') throw new Error(`the run ${ended.state}: ${ended.reason?.message}`)
      const oursMs = spanMs(ended.stages)
      if (index === 0) await shell('git', 'init', '--quiet', '.')
      const startedMs = performance.now()
      await shell('git', 'fetch', '--quiet', '--depth', '1', world.pushUrl, 'main')
      await shell('git', 'checkout', '--quiet', '--force', sha)
      await shell('docker', 'build', '--quiet', '--tag', 'taxiway-bench/many-files', '.')
      const otherMs = performance.now() - startedMs
      // The first round fetches and copies everything.
      if (index === 0) continue
      ratios.push(oursMs / otherMs)
      say(`second push round ${index}: ${round(oursMs, 0)} ms against ${round(otherMs, 0)} ms`)
    }
  } finally {
    await shell('docker', 'image', 'rm', '--force', 'taxiway-bench/many-files').catch(() => {})
    await world.stop()
  }
  const ratio = round(median(ratios), 2)
  return {
    rows: [
      {
        figure: `second push, ${files} files, of git and docker`,
        goal: '<= 1.10',
        measured: `${ratio} (${ratios.length} rounds)`,
        holds: ratio <= 1.1,
      },
    ],
    figures: { ratio, rounds: ratios.length },
  }
}

function writeTree(tree: string): void {
  const line = 'what a source file is made of, more or less: words, and more words\n'
  for (let index = 0; index < files; index++) {
    const at = join(tree, 'src', String(index % 40))
    mkdirSync(at, { recursive: true })
    writeFileSync(join(at, `${Math.floor(index / 40)}.txt`), `${index}\n${line.repeat(60)}`)
  }
  writeFileSync(join(tree, 'Dockerfile'), 'FROM busybox:stable\nCOPY src /src\n')
  writeFileSync(join(tree, '.taxiway.yaml'), JSON.stringify({ version: 1, images: { web: {} } }))
}

/** From the start of the checkout to the end of the build. */
function spanMs(stages: { name: string; startedAt: string; finishedAt: string }[]): number {
  const [checkout, build] = ['checkout', 'build'].map((wanted) => stages.find(({ name }) => name === wanted))
  return Date.parse(build?.finishedAt ?? '') - Date.parse(checkout?.startedAt ?? '')
}
