import { isAbsent, keysLike, type Look, nameOf } from './observed.ts'

/** 1. Every acknowledged delivery has exactly one run. */
export async function deliveriesHaveRuns(look: Look): Promise<string[]> {
  const wrong: string[] = []
  const known = new Set(look.runs.map(({ id }) => id))
  const told = new Map<string, string>()
  for (const [delivery, run] of acknowledged(look)) {
    const earlier = told.get(delivery)
    if (earlier !== undefined && earlier !== run)
      wrong.push(`delivery ${delivery} was answered with two runs: ${earlier}, ${run}`)
    if (!known.has(run)) wrong.push(`delivery ${delivery} was acknowledged with run ${run}, which is not there`)
    told.set(delivery, run)
  }
  const deliveries = new Map<string, string[]>()
  for (const { id } of look.repositories)
    for (const key of await keysLike(look.redis, `taxiway:delivery:${id}:*`)) {
      const run = (await look.redis.hget(key, 'run')) ?? 'none'
      deliveries.set(run, [...(deliveries.get(run) ?? []), key.split(':').slice(3).join(':')])
    }
  for (const run of look.runs) {
    const of = deliveries.get(run.id) ?? []
    if (of.length !== 1) wrong.push(`${nameOf(run)} has ${of.length} deliveries: ${of.join(', ') || 'it is a double'}`)
  }
  for (const [run, of] of deliveries)
    if (!known.has(run)) wrong.push(`delivery ${of.join(', ')} names run ${run}, which is not there`)
  return wrong
}

/** Delivery and run of each answer that promised one. */
function acknowledged({ host, acknowledged: given, repositories }: Look): [string, string][] {
  if (given) return [...given]
  if (isAbsent(host))
    throw new Error('the oracle needs the deliveries that were acknowledged, or the git host that sent them')
  const names = new Set(repositories.map(({ name }) => name))
  return host.deliveries().flatMap(({ id, repository, status, responseBody }): [string, string][] => {
    if (!names.has(repository) || status < 200 || status > 299) return []
    const { runId } = JSON.parse(responseBody) as { runId?: string }
    return runId ? [[id, runId]] : []
  })
}
