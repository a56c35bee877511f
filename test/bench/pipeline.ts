import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { runProgram } from '../../deploy/local/process.ts'
import { commitAndPush } from '../git-host/push.ts'
import { machineSide } from '../world/machine-side.ts'
import { makeWorld } from '../world/make-world.ts'
import { isOver } from '../world/taxiway.ts'
import { check, copySample, eventually, writeFiles } from '../world/world.ts'
import type { BenchContext, BenchResult } from './figures.ts'
import { dockerProgram, interleave } from './interleave.ts'

const namespace = 'bench-script'
/** After the moment at which a pod is killed at the latest. */
const graceMs = 2000

/** From the push to the new version's answer: Taxiway against one shell script with the same tools, in turn. */
export async function pipeline({ folder, environment, rounds, say }: BenchContext): Promise<BenchResult> {
  const world = await makeWorld({
    folder: join(folder, 'pipeline'),
    environment,
    target: 'kubernetes',
    name: 'acme/bench',
    say,
  })
  const script = await scriptArm(join(folder, 'script'), environment, world.host)
  const text = () => `version ${Date.now()}\n`
  try {
    return await interleave({
      figure: 'pipeline, of a shell script',
      goal: 1.1,
      rounds: Math.max(7, rounds),
      say,
      async ours() {
        const version = text()
        const { value, ms } = await timed(
          () => world.push({ 'www/index.html': version }, version),
          world.visit,
          version,
        )
        await world.taxiway.waitRun(value.runId, isOver, 60_000)
        await quiet(world.namespace, environment)
        return ms
      },
      async bare() {
        const version = text()
        const { ms } = await timed(() => script.push(version), script.visit, version)
        await quiet(namespace, environment)
        return ms
      },
    })
  } finally {
    await world.stop()
    await script.clean()
  }
}

/** Waits until the old version has ended, which takes time that the next arm must not pay. A pod whose grace is over has, however long its node keeps it on record. */
const quiet = (name: string, environment: BenchContext['environment']) =>
  eventually(async () => {
    const listed = await runProgram('kubectl', ['get', 'pods', '-n', name, '-o', 'json'], {
      seconds: 20,
      env: environment,
    })
    const { items } = JSON.parse(listed) as { items: { metadata: { name: string; deletionTimestamp?: string } }[] }
    const left = items.filter(({ metadata }) => !(Date.parse(metadata.deletionTimestamp ?? '') + graceMs < Date.now()))
    check(left.length === 2, `two pods in ${name}, not ${left.map(({ metadata }) => metadata.name)}`)
  }, 120_000)

/** Runs `act` and asks for the text at the same time, from the same moment. */
async function timed<T>(
  act: () => Promise<T>,
  visit: () => Promise<string>,
  text: string,
): Promise<{ value: T; ms: number }> {
  const startedMs = performance.now()
  const acting = act()
  acting.catch(() => {})
  for (;;) {
    if ((await visit().catch(() => '')) === text) break
    if (performance.now() - startedMs > 120_000) throw new Error('the new version did not answer within 120 s')
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  return { ms: performance.now() - startedMs, value: await acting }
}

/** The script: fetch, build, test, push, apply, rollout status, with the usual command-line tools. */
async function scriptArm(
  folder: string,
  environment: BenchContext['environment'],
  host: { createRepository: (name: string, options: object) => Promise<{ cloneUrl: string }> },
) {
  const { cloneUrl } = await host.createRepository('acme/script', {})
  const tree = join(folder, 'tree')
  const work = join(folder, 'work')
  mkdirSync(work, { recursive: true })
  mkdirSync(tree, { recursive: true })
  copySample(tree, namespace)
  const side = await machineSide({
    target: 'kubernetes',
    namespaceOf: () => namespace,
    repositoryId: '',
    dataFolder: folder,
    environment,
  })
  const text = `set -eu
[ -d .git ] || git init -q .
git fetch -q --depth 1 ${cloneUrl} main && git checkout -q --force FETCH_HEAD
image=${environment.TAXIWAY_REGISTRY}/acme/script/web:$(git rev-parse HEAD)
DOCKER_BUILDKIT=1 ${dockerProgram} build -q -t "$image" . >/dev/null
${dockerProgram} run --rm --network bridge --memory 2g "$image" sh /app/test.sh >/dev/null
${dockerProgram} push -q "$image" >/dev/null
kubectl get namespace ${namespace} >/dev/null 2>&1 || kubectl create namespace ${namespace} >/dev/null
sed "s#image: web#image: $image#" k8s/web.yaml | kubectl apply -n ${namespace} -f - >/dev/null
kubectl rollout status -n ${namespace} deployment/web >/dev/null
`
  const run = async () => {
    const child = spawn('sh', ['-c', text], {
      cwd: work,
      env: { ...process.env, ...environment, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let complaint = ''
    child.stderr.on('data', (chunk) => {
      complaint += chunk
    })
    const [code] = await once(child, 'exit')
    if (code !== 0) throw new Error(`the script ended with ${code}: ${complaint}`)
  }
  return {
    visit: side.visit,
    clean: side.clean,
    async push(version: string) {
      writeFiles(tree, { 'www/index.html': version })
      await commitAndPush(tree, { url: cloneUrl, message: version, branch: 'main' })
      await run()
      await eventually(side.visit, 10_000)
    },
  }
}
