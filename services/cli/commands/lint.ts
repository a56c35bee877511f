import { readFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { parseArgs, styleText } from 'node:util'
import { isInfrastructure } from '@taxiway/domain/fault.ts'
import { lintContext } from '@taxiway/domain/pipeline/lint-context.ts'
import { type InvalidFile, withExcerpts } from '@taxiway/domain/pipeline/read.ts'
import type { Reason } from '@taxiway/domain/reason.ts'
import { type PlanEvent, planEvents } from '@taxiway/domain/run/cause.ts'
import { exitCodes } from '../exit-codes.ts'
import { planLines, problemLines, refusalLines } from '../plan-text.ts'
import { findTree, planTree, type WorkingTree } from '../working-tree.ts'

const usage = `Usage: taxiway lint [file] [options]

Checks the pipeline file (the nearest .taxiway.yaml upwards) and shows what would run. Without a file, shows what Dockerfile
and k8s/ imply. Exit code 0: it is valid, 1: it is not, 75: the machine was too busy to tell.

  --branch NAME    as if this branch were pushed (the one checked out); with --event tag, the tag
  --event EVENT    ${planEvents.join(', ')} (push)
  --json           the plan, or what is wrong, as JSON
`

/** `taxiway lint`: is the pipeline file valid, and what would it do? */
export async function lint(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      branch: { type: 'string' },
      event: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    process.stdout.write(usage)
    return exitCodes.good
  }
  const event = planEvents.find((known) => known === (values.event ?? 'push'))
  if (!event || positionals.length > 1) {
    const wrong = event ? 'one file at a time' : `--event is one of ${planEvents.join(', ')}`
    process.stderr.write(`taxiway lint: ${wrong}.\n`)
    return exitCodes.usage
  }
  const tree = await findTree(process.cwd(), positionals[0])
  const planned = await planTree(tree, { branch: values.branch, event })
  const file = tree.file ? relative(process.cwd(), tree.file) : '.taxiway.yaml'
  const text = tree.file === undefined ? '' : await readFile(tree.file, 'utf8').catch(() => '')
  if (planned.ok) {
    const { plan, advice = [] } = planned.value
    const notes = advice.map((one) => ({ ...one, message: `note: ${one.message}` }))
    const lines = [headline(tree, file, event, values.branch), ...planLines(plan), ...problemLines(notes, file, text)]
    const json = { ok: true, plan, ...(advice.length > 0 ? { advice: withExcerpts(advice, text) } : {}) }
    process.stdout.write(values.json ? `${JSON.stringify(json, null, 2)}\n` : `${lines.join('\n')}\n`)
    return exitCodes.good
  }
  if (values.json) process.stdout.write(`${JSON.stringify(asJson(planned, text), null, 2)}\n`)
  else if (tree.file === undefined || isInfrastructure(planned.reason.code))
    process.stderr.write(`${planned.reason.message}\n`)
  else process.stderr.write(`${refusalLines(planned, file, text).join('\n')}\n`)
  return isInfrastructure(planned.reason.code) ? exitCodes.again : exitCodes.bad
}

const asJson = (refused: { reason: Reason } | InvalidFile, text: string) => ({
  ok: false,
  reason: refused.reason,
  ...('problems' in refused ? { problems: withExcerpts(refused.problems, text) } : {}),
})

function headline(tree: WorkingTree, file: string, event: PlanEvent, wanted: string | undefined): string {
  const { branch, tag } = lintContext({ branch: wanted ?? (event === 'tag' ? undefined : tree.branch), event })
  const occasions: Record<PlanEvent, string> = {
    push: `A push to ${branch}`,
    tag: `The tag ${tag}`,
    pull_request: `A pull request to ${branch}`,
    manual: `A run of ${branch} by hand`,
  }
  const valid = styleText('green', tree.file ? `${file} is valid.` : 'There is no .taxiway.yaml.')
  return `${valid} ${occasions[event]} ${tree.file ? 'does' : 'does what Dockerfile and k8s/ imply'}:`
}
