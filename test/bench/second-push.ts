import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { commitAndPush } from '../git-host/push.ts'
import { makeWorld } from '../world/make-world.ts'
import { isOver } from '../world/taxiway.ts'
import { writeFiles } from '../world/world.ts'
import type { BenchContext, BenchResult } from './figures.ts'
import { dockerProgram, interleave, taken } from './interleave.ts'

const run = promisify(execFile)
const files = 2000
const tag = 'taxiway-bench/many-files'

/** A one-line change in a repository of 2,000 files: our checkout and build, against `git fetch` and `docker build`. */
export async function secondPush({ folder, environment, rounds, say }: BenchContext): Promise<BenchResult> {
  const place = join(folder, 'second-push')
  const world = await makeWorld({ folder: place, environment, target: 'docker', name: 'acme/many-files', say })
  // A repository of its own: of the same content, the engine would take the steps of the other arm from its cache.
  const other = await world.host.createRepository('acme/bare', {})
  const [bare, tree] = [join(place, 'bare'), join(place, 'bare-tree')]
  for (const folder of [bare, tree]) mkdirSync(folder, { recursive: true })
  const line = () => ({ 'src/0/0.txt': `line ${Date.now()}\n` })
  const shell = (command: string, ...args: string[]) =>
    run(command, args, { cwd: bare, env: { ...process.env, ...environment, DOCKER_BUILDKIT: '1' } })
  try {
    for (const one of [world.tree, tree]) writeTree(one)
    await shell('git', 'init', '--quiet', '.')
    return await interleave({
      figure: `second push, ${files} files, of git and docker`,
      goal: 1.1,
      rounds,
      say,
      async ours() {
        const { runId } = await world.push(line(), 'a line')
        const ended = await world.taxiway.waitRun(runId, isOver, 300_000)
        if (ended.state !== 'succeeded') throw new Error(`the run ${ended.state}: ${ended.reason?.message}`)
        return spanMs(ended.stages)
      },
      async bare() {
        writeFiles(tree, line())
        await commitAndPush(tree, { url: other.cloneUrl, message: 'a line', branch: 'main' })
        return taken(async () => {
          await shell('git', 'fetch', '--quiet', '--depth', '1', other.cloneUrl, 'main')
          await shell('git', 'checkout', '--quiet', '--force', 'FETCH_HEAD')
          await shell(dockerProgram, 'build', '--quiet', '--tag', tag, '.')
        })
      },
    })
  } finally {
    await shell(dockerProgram, 'image', 'rm', '--force', tag).catch(() => {})
    await world.stop()
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
