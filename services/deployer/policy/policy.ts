import { kindName, kindPattern, neverAllowed, ownKind, ownKinds } from '@taxiway/domain/cluster/kinds.ts'
import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import { done, type Outcome, type Reason, reason, refuseAll } from '@taxiway/domain/reason.ts'
import { type FileOf, flatten } from './flatten.ts'
import { objectObjections } from './object.ts'
import { against, type Objection } from './objection.ts'
import type { PolicyRules } from './rules.ts'

const named = new RegExp(kindPattern)
const version = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?v[0-9][a-z0-9]{0,30}$/

/** What was found in documents, and all that stands against it. */
export interface Judged {
  objects: RenderedObject[]
  reasons: Reason[]
  /** `Deployment/web in k8s/web.yaml` */
  titleOf(object: RenderedObject): string
}

/**
 * Holds the objects in the YAML documents of a commit against the rules of their environment. Pure: the cluster's own access
 * rules are the second wall. Refused (`manifest_invalid`, `manifest_forbidden`) is what is no object at all.
 */
export function judge(
  documents: readonly unknown[],
  namespace: string,
  rules: PolicyRules = {},
  fileOf: FileOf = () => undefined,
): Outcome<Judged> {
  const flat = flatten(documents, fileOf)
  if (!flat.ok) return flat
  const { objects, titleOf } = flat.value
  const namesOf = (kind: string) => objects.filter((one) => one.kind === kind).map(({ metadata }) => metadata.name)
  const judged = {
    ...rules,
    namespace,
    brought: new Set([...namesOf('Secret'), ...(rules.given ?? []).map(({ name }) => name)]),
    // In another repository's namespace a name may be one that rights were given to.
    accounts: new Set(rules.isShared ? [] : namesOf('ServiceAccount')),
  }
  const reasons = objects.flatMap((object) => {
    const closed = kindObjection(object, rules)
    const found = closed ? [closed] : objectObjections(object, judged)
    return distinct(found).map((one) => reasonOf(one, titleOf(object)))
  })
  return done({ objects, reasons, titleOf })
}

/** The objects, if nothing stands against any of them; else all that does. */
export function checkPolicy(...judged: Parameters<typeof judge>): Outcome<RenderedObject[]> {
  const found = judge(...judged)
  return found.ok ? (refuseAll(found.value.reasons) ?? done(found.value.objects)) : found
}

/** Each of these words once: containers of a pod often have the same fault. */
const distinct = (objections: readonly (Objection | undefined)[]): Objection[] => [
  ...new Map(objections.flatMap((one) => (one ? [[one.detail, one]] : []))).values(),
]

const reasonOf = ({ detail, hint, isInvalid }: Objection, object: string): Reason =>
  isInvalid
    ? reason('manifest_invalid', { object, detail })
    : reason('manifest_forbidden', { object, detail, ...(hint ? { hint } : {}) })

/** May a release hold this kind here? */
function kindObjection(object: RenderedObject, { kinds, moreKinds = [] }: PolicyRules): Objection | undefined {
  const { apiVersion, kind } = object
  const name = kindName(object)
  if (!version.test(apiVersion) || !named.test(name)) return against('kind not allowed')
  const isNamesake = Object.hasOwn(ownKinds, kind) && !ownKind(object)
  if (isNamesake)
    return against(
      `apiVersion ${apiVersion} not allowed, as only the ${kind} of ${ownKinds[kind]?.group || 'the core (v1)'} is carried`,
    )
  const never = neverAllowed(name)
  if (never) return against(`kind not allowed: ${never}`)
  const open = kinds ?? Object.keys(ownKinds)
  if (open.includes(name) || moreKinds.includes(name)) return undefined
  const hint = `Leave it out, or have an admin rule moreKinds: ["${name}"] for the environment`
  return against('kind not allowed', kinds ? `${hint} (its rule kinds opens ${kinds.join(', ')})` : hint)
}
