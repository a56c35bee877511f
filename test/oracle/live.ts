import { isAbsent, type Look, nameOf } from './observed.ts'

interface SeenRelease {
  generation: number
  state: string
  runId: string
  images: string[]
  event?: string
}

/** 4. What is live in each environment is the newest deployable run, and its generations only ever rose. */
export async function newestIsLive(look: Look): Promise<string[]> {
  const wrong: string[] = []
  for (const { id, name } of look.repositories) {
    const { body } = await look.taxiway.call('GET', `/repos/${id}/environments`)
    for (const { name: environment, live } of body.items as { name: string; live?: SeenRelease }[]) {
      const history = await look.taxiway.call('GET', `/repos/${id}/environments/${environment}/releases?limit=100`)
      const releases = history.body.items as SeenRelease[]
      const where = `${environment} of ${name}`
      wrong.push(...isInOrder(look, releases).map((what) => `${where}: ${what}`))
      const deployed = look.runs
        .filter(
          (run) =>
            run.repo === id &&
            run.stages.some((stage) => stage.environment === environment && stage.state === 'succeeded'),
        )
        .sort((a, b) => b.sequence - a.sequence)[0]
      if (deployed && live?.runId !== deployed.id)
        wrong.push(
          `${where}: live is ${live ? `release ${live.generation} of ${live.runId}` : 'nothing'}, not ${nameOf(deployed)}`,
        )
      wrong.push(...(await isRunning(look, environment, live, releases[0])).map((what) => `${where}: ${what}`))
    }
  }
  return wrong
}

/** A later generation is a newer run's, or gives back an earlier release. */
function isInOrder({ runs }: Look, releases: SeenRelease[]): string[] {
  const sequences = new Map(runs.map(({ id, sequence }) => [id, sequence]))
  const wrong = releases
    .filter(({ state }) => state === 'applying' || state === 'restoring')
    .map(({ generation, state }) => `release ${generation} is ${state}, and nobody goes on with it`)
  let newest: { generation: number; sequence: number } | undefined
  for (const { generation, runId, event } of releases.toSorted((a, b) => a.generation - b.generation)) {
    const sequence = sequences.get(runId)
    if (sequence === undefined || event === 'restore') continue
    if (newest && newest.sequence > sequence)
      wrong.push(`release ${generation} is older than release ${newest.generation}, and came after it`)
    newest = { generation, sequence }
  }
  return wrong
}

/** What runs is the live release; one that failed and was left as it is may run in its place. */
async function isRunning(
  { running }: Look,
  environment: string,
  live: SeenRelease | undefined,
  last: SeenRelease | undefined,
): Promise<string[]> {
  if (isAbsent(running) || !live) return []
  if (last && last.generation > live.generation && last.state === 'failed') return []
  const wanted = new Set(live.images.map((image) => image.split('@')[1] ?? image))
  const found = new Set(await running(environment))
  const strange = [...found].filter((digest) => !wanted.has(digest))
  if (strange.length > 0)
    return [`${strange.join(', ')} runs, which is not in release ${live.generation}: ${[...wanted].join(', ')}`]
  return wanted.size > 0 && found.size === 0 ? [`release ${live.generation} is live, and nothing runs`] : []
}
