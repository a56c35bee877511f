import { isAbsent, type Look, nameOf, type SeenRun, terminalStates } from './observed.ts'

/**
 * 3. The last status that the git host holds for a commit and a context is that of the newest run for a branch, tag or pull request that has
 * the context, and where there are several of these, of the worst.
 */
export async function statusesAreTrue({ host, runs, repositories }: Look): Promise<string[]> {
  if (isAbsent(host)) return []
  const wrong: string[] = []
  for (const { id, name } of repositories) {
    const ofCommit = Map.groupBy(
      runs.filter(({ repo }) => repo === id),
      ({ sha }) => sha,
    )
    for (const [sha, ofSha] of ofCommit) {
      const held = host.latest(name, sha)
      const speakers = speakersOf(ofSha)
      for (const [context, run] of speakers) {
        // It was told on the run that the git host will never take it.
        if (!terminalStates.includes(run.state) || run.notes?.some(({ code }) => code === 'status_undeliverable'))
          continue
        const wanted = contextsOf(run).get(context)
        const { state, target_url: target } = held[context] ?? {}
        const where = `${context} of ${sha.slice(0, 7)} in ${name}`
        if (state !== wanted)
          wrong.push(`${where} is ${state ?? 'missing'}, but ${nameOf(run)} ${run.state}: ${wanted}`)
        else if (target !== run.url) wrong.push(`${where} leads to ${target}, not to ${nameOf(run)}`)
      }
      for (const [context, { state }] of Object.entries(held))
        if (state === 'pending' && !speakers.has(context))
          wrong.push(`${context} of ${sha.slice(0, 7)} in ${name} is pending, and no run has it`)
    }
  }
  return wrong
}

/** Whose word counts in each context. */
function speakersOf(runs: SeenRun[]): Map<string, SeenRun> {
  const newest = new Map<string, Map<string, SeenRun>>()
  for (const run of runs.toSorted((a, b) => a.sequence - b.sequence))
    for (const context of contextsOf(run).keys()) {
      const subject = JSON.stringify([run.trusted ?? true, run.branch, run.tag, run.pullRequest?.number])
      newest.set(context, (newest.get(context) ?? new Map()).set(subject, run))
    }
  const speakers = new Map<string, SeenRun>()
  for (const [context, ofSubjects] of newest) {
    const all = [...ofSubjects.values()]
    const trusted = all.filter((run) => run.trusted !== false)
    const [worst] = (trusted.length > 0 ? trusted : all).toSorted(
      (a, b) => weightOf(b, context) - weightOf(a, context) || b.sequence - a.sequence,
    )
    if (worst) speakers.set(context, worst)
  }
  return speakers
}

/** Verdicts before what is on its way, that before success; what was cancelled or never run is no verdict. */
function weightOf(run: SeenRun, context: string): number {
  const isLeftOut = run.notes?.some(({ code }) => code === 'ignored_by_pipeline') ?? false
  const isVoid =
    ['cancelled', 'superseded'].includes(run.state) || run.notes?.some(({ code }) => code === 'ignored_skip_ci')
  if (isVoid) return 0
  return isLeftOut ? 1 : ['success', 'pending', 'error', 'failure'].indexOf(contextsOf(run).get(context) ?? '') + 2
}

/** What each context of a run shall say, from its stages alone. */
function contextsOf(run: SeenRun): Map<string, string> {
  const contexts = new Map<string, string>()
  for (const { environment, state } of run.stages)
    if (environment !== undefined) contexts.set(`taxiway/deploy (${environment})`, said(run, state))
  // A promotion, a deploy by hand or a rollback has images that an earlier run built and tested.
  if (run.asked) return contexts
  const of = (name: string) => run.stages.find((stage) => stage.name === name)?.state ?? 'pending'
  const built = ['checkout', 'build', 'publish'].map(of)
  contexts.set(
    'taxiway/build',
    said(run, built.find((state) => !['succeeded', 'skipped'].includes(state)) ?? 'succeeded'),
  )
  if (run.tests?.length) contexts.set('taxiway/test', said(run, of('test')))
  return contexts
}

const words: Record<string, string> = {
  succeeded: 'success',
  failed: 'failure',
  errored: 'error',
  cancelled: 'error',
  superseded: 'error',
}
const said = (run: SeenRun, stage: string): string => {
  if (stage === 'skipped' && run.notes?.some(({ code }) => code === 'ignored_skip_ci')) return 'pending'
  if (stage === 'skipped')
    return run.state === 'failed' || run.state === 'errored' ? (words[run.state] as string) : 'success'
  return words[stage] ?? 'pending'
}
