import { pullSecret } from '@taxiway/domain/cluster/rights.ts'
import { against, byRule, type Objection } from './objection.ts'
import type { SecretRules } from './rules.ts'

/** Names as programs make them: tokens of service accounts (in Kubernetes' own alphabet), Helm's releases, joining nodes. */
const keptByPrograms =
  /(-(token|dockercfg)-[bcdfghjklmnpqrstvwxz2456789]{5}|^sh\.helm\.release\..*|^bootstrap-token-.*)$/

/** Why a manifest may not name this Secret, or undefined. Without a rule it may name what people put into its own namespace. */
export function secretObjection(name: unknown, { secrets, isShared, brought }: SecretRules): Objection | undefined {
  if (name === undefined || name === null) return undefined
  if (typeof name !== 'string') return against('the name of a Secret is not text')
  if (name === pullSecret) return against(`Secret ${name} not allowed, as it holds the credentials of registries`)
  if (brought?.has(name)) return undefined
  const hint = byRule(`secrets: ["${name}"]`)
  if (secrets)
    return secrets.includes(name) ? undefined : against(`Secret ${name} not allowed by the rule secrets`, hint)
  if (isShared)
    return against(`Secret ${name} not allowed, as another repository owns the namespace and no rule names it`, hint)
  return keptByPrograms.test(name)
    ? against(`Secret ${name} not allowed, as a program keeps it; a rule may name it`, hint)
    : undefined
}
