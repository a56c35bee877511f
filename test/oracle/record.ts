import { readFileSync } from 'node:fs'
import { isAbsent, isServed, keysLike, type Look, nameOf } from './observed.ts'

/** Bounds of what stays in Redis, logs aside: for each run, for each repository, and for each of its environments. */
const most = {
  /** Run, log, diffs, provenance, delivery; runs and statuses of its commit. */
  keysPerRun: 7,
  /** The repository, its secrets, its runs and their number, its images, their use and their bases, its environments, previews and their troubles. */
  keysPerRepository: 10,
  /** The environment, its releases, its changes, what was seen of it, and who looks at it. */
  keysPerEnvironment: 5,
  /** A delivery keeps 64 KiB of its body at most; a usual one has 10. */
  kibPerRun: 32,
  kibPerRepository: 64,
}
/** A process that has done its work and rests. */
const mostRssMb = 300

/** 6. Redis keys and memory are back near their baseline. */
export async function recordIsSmall(look: Look): Promise<string[]> {
  const keys = await ownKeys(look)
  return [...(await workIsForgotten(look, keys)), ...(await sizeIsBounded(look, keys)), ...memoryIsSmall(look)]
}

/** Keys that name a repository of the test, one of its runs, or a commit of those. */
async function ownKeys({ redis, runs, repositories }: Look): Promise<string[]> {
  const names = new Set([...repositories.map(({ id }) => id), ...runs.flatMap(({ id, sha }) => [id, sha])])
  const all = await keysLike(redis, 'taxiway:*')
  return all.filter((key) =>
    key.split(/[:/]/).some((part) => names.has(part) || names.has(part.split('-')[0] as string)),
  )
}

/** What only work in hand has: leases, jobs, lanes, places in lists of what is to be done. */
async function workIsForgotten(look: Look, keys: string[]): Promise<string[]> {
  const { redis, runs, taxiway, host } = look
  const over = new Map(runs.filter((run) => !look.mayBeOpen(run)).map((run) => [run.id, run]))
  const wrong: string[] = []
  for (const key of keys) {
    const parts = key.split(':')
    const kind = parts[1] as string
    if (parts.at(-1) === 'lease' && over.has(parts[2] as string)) wrong.push(`${key} is held, and the run is over`)
    if (kind === 'lane') wrong.push(`${key} is held, and nothing rolls out`)
    const role = parts[2] === 'build' ? 'builder' : 'deployer'
    const isJob = kind === 'queue' && parts.length === 4 && over.has((parts[3] as string).split('-')[0] as string)
    // The lock on a killed process' job outlives it by up to a minute: who has the run is told by the run's lease.
    if (isJob && isServed(taxiway, role) && !keys.includes(`${key}:lock`))
      wrong.push(`${key} waits in the queue, and the run is over`)
  }
  const open = await redis.smembers('taxiway:runs:open')
  for (const id of open) if (over.has(id)) wrong.push(`${id} is among the open runs, and is over`)
  if (!isAbsent(host) && isServed(taxiway, 'status'))
    for (const id of await redis.zrange('taxiway:status:due', '0', '-1')) {
      const run = over.get(id)
      if (run) wrong.push(`${nameOf(run)} is over, and its statuses are due`)
    }
  return wrong
}

async function sizeIsBounded({ redis, runs, repositories, taxiway }: Look, keys: string[]): Promise<string[]> {
  let environments = 0
  for (const { id } of repositories)
    environments += (await taxiway.call('GET', `/repos/${id}/environments`)).body.items.length
  const kept = keys.filter((key) => !key.startsWith('taxiway:queue:'))
  // The numbers of a preview outlive it, so that what is older stays older.
  const gone = kept.filter((key) => key.startsWith('taxiway:environment:')).length - environments
  const mostKeys =
    Math.min(Math.max(0, gone), runs.length) +
    runs.length * most.keysPerRun +
    repositories.length * most.keysPerRepository +
    environments * most.keysPerEnvironment
  const mostKib = runs.length * most.kibPerRun + repositories.length * most.kibPerRepository
  const sized = kept.filter((key) => !key.endsWith(':log'))
  const sizes = (await Promise.all(sized.map((key) => redis.call('MEMORY', 'USAGE', key)))).map(Number)
  const kib = Math.round(sizes.reduce((sum, bytes) => sum + bytes, 0) / 1024)
  const wrong: string[] = []
  if (kept.length > mostKeys)
    wrong.push(
      `${kept.length} keys of ${runs.length} runs, more than ${mostKeys}: ${kept.toSorted().slice(0, 40).join(' ')}`,
    )
  if (kib > mostKib) wrong.push(`${kib} KiB of ${runs.length} runs in Redis, more than ${mostKib}`)
  return wrong
}

function memoryIsSmall({ taxiway }: Look): string[] {
  return taxiway.processes.flatMap(({ child, roles }) => {
    if (child.exitCode !== null || child.signalCode !== null) return []
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
    const mb = Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
    return mb > mostRssMb
      ? [`process ${child.pid} (${roles.join() || 'all roles'}) has ${mb} MB, more than ${mostRssMb}`]
      : []
  })
}
