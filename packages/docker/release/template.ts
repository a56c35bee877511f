import { createHmac, randomBytes } from 'node:crypto'
import type { ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { ReleaseSpec } from '../container/spec.ts'
import { keyOf, type Place, secretsOf, specOf } from './container.ts'
import type { EnvironmentRecord, MachineState, StateFile, Templates } from './state.ts'
import type { Plan } from './workload.ts'

/**
 * The template of a workload: a short name for all that its containers are made from. Containers of equal templates are as
 * good as each other, whichever release made them, so that a release takes over those whose template has not changed.
 * With a key, as it appears in names and is made from secrets as well.
 */
export function templateOf({ image, env = {}, aliases = [], name: _, labels: __, ...rest }: ReleaseSpec, key: string) {
  const sorted = Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))
  const content = { ...rest, image: byDigest(image), env: sorted, aliases: aliases.toSorted() }
  const ordered = Object.entries(content).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHmac('sha256', key).update(JSON.stringify(ordered)).digest('hex').slice(0, 10)
}

/** The reference without its tag, which says nothing beside the digest. */
const byDigest = (image: string): string => image.replace(/:[^:/@]+(?=@sha256:)/, '')

/** The templates of an order with the values that secrets have now. Refuses `secret_missing`. */
export async function planTemplates(
  { state }: { state: StateFile },
  order: ReleaseOrder,
  plan: Plan,
  work: Work,
): Promise<Outcome<Templates>> {
  const key = (await state.read()).key ?? (await state.change(makeKey))
  const templates: Record<string, string> = {}
  for (const workload of plan.workloads) {
    const secrets = await secretsOf(workload, work)
    if (!secrets.ok) return secrets
    const given = { ...workload, env: { ...workload.env, ...secrets.value } }
    templates[workload.name] = templateOf(specOf(order, { workload: given, name: '', template: '' }, plan), key)
  }
  return done(templates)
}

function makeKey(record: MachineState): string {
  record.key ??= randomBytes(16).toString('hex')
  return record.key
}

/** The templates that an order was applied with. Empty: it was not, or the record was lost. */
export const readTemplates = async (
  { state }: { state: StateFile },
  order: Place & Pick<ReleaseOrder, 'generation'>,
): Promise<Templates> => (await state.read()).environments[keyOf(order)]?.templates?.[order.generation] ?? {}

/**
 * Puts the templates of an order on the record, before anything is made by them. Those of workloads that it has no more go on
 * until they are pruned.
 */
export const keepTemplates = (
  { state }: { state: StateFile },
  order: Place & Pick<ReleaseOrder, 'generation'>,
  templates: Templates,
): Promise<void> =>
  state.change(({ environments }) => {
    const environment = environments[keyOf(order)]
    if (!environment) return
    const serving = servingTemplates(environment)
    environment.templates = {
      [environment.serving]: serving,
      [order.generation]: { ...serving, ...templates },
    }
  })

/** The templates of what serves. */
export const servingTemplates = ({ serving, templates }: EnvironmentRecord): Templates => templates?.[serving] ?? {}
