import { type Look, nameOf, type SeenRun, terminalStates } from './observed.ts'

/** 2. Every run is terminal, has a reason where it did not succeed, and nothing in it goes on. */
export async function runsAreOver(look: Look): Promise<string[]> {
  return look.runs.flatMap((run) => {
    if (!terminalStates.includes(run.state))
      return look.mayBeOpen(run) ? [] : [`${nameOf(run)} is ${run.state}, attempt ${run.attempt}: ${stagesOf(run)}`]
    const wrong: string[] = []
    if (run.state !== 'succeeded' && !run.reason?.message) wrong.push(`${nameOf(run)} ${run.state} without a reason`)
    const goesOn = [
      ...run.stages.map((stage) => [stage.environment ?? stage.name, stage.state]),
      ...(run.tests ?? []).map(({ name, state }) => [`test ${name}`, state]),
      ...(run.jobs ?? []).map(({ name, state }) => [`job ${name}`, state]),
      ...run.releases.map(({ environment, generation, state }) => [`release ${generation} to ${environment}`, state]),
    ].filter(([, state]) => ['pending', 'running', 'applying', 'restoring'].includes(state ?? ''))
    for (const [what, state] of goesOn) wrong.push(`${nameOf(run)} ${run.state}, and its ${what} is ${state}`)
    return wrong
  })
}

const stagesOf = ({ stages }: SeenRun) =>
  stages.map(({ name, environment, state }) => `${environment ?? name} ${state}`).join(', ')
