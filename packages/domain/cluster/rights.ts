import { guessedPlural, kindNamed, ownKind, ownKinds } from './kinds.ts'

/** Verbs on one kind of thing, or on those of these names only, as Kubernetes' access rules name them. */
export interface Right {
  group: string
  resource: string
  names?: readonly string[]
  verbs: readonly string[]
}

/** To read, make, change and remove an object, and to be told when it changes. */
const all = ['get', 'list', 'watch', 'create', 'patch', 'delete']

/** What a deployer must be allowed to for a kind; for one that only a rule opens by the plural that it most likely has. */
function rightOf(name: string): Right {
  const { group, kind } = kindNamed(name)
  return { group, resource: ownKind({ apiVersion: `${group}/`, kind })?.plural ?? guessedPlural(kind), verbs: all }
}

/** What it must be allowed to whatever the kinds are. */
const always: readonly Right[] = [
  // What a namespace holds of each release is kept in one, written by compare-and-set.
  { group: '', resource: 'configmaps', verbs: ['get', 'create', 'update'] },
  // To say why a pod is not healthy, and to remove a stateful set's broken pod of an older template.
  { group: '', resource: 'pods', verbs: ['get', 'list', 'watch', 'delete'] },
  { group: '', resource: 'pods/log', verbs: ['get'] },
  // To know which pods are a workload's, and of which of its templates.
  { group: 'apps', resource: 'replicasets', verbs: ['list'] },
  { group: 'apps', resource: 'controllerrevisions', verbs: ['list'] },
  // To see that a Service sends to the new pods, before the old ones of a blue-green release go.
  { group: '', resource: 'endpoints', verbs: ['get'] },
  { group: '', resource: 'events', verbs: ['list'] },
]

/** The Secret with the credentials of registries, by which nodes pull images; manifests may not use its name. */
export const pullSecret = 'taxiway-pull'

/** To give components and jobs secrets of their repository, and pods the credentials of registries: made and removed, never read. */
export const rightsOfSecrets: readonly Right[] = [
  { group: '', resource: 'secrets', verbs: ['create', 'delete'] },
  { group: '', resource: 'secrets', names: [pullSecret], verbs: ['patch'] },
]

/** To make the namespaces of previews, say in them which run came last, find those that are left over, and remove them. */
export const rightOfNamespaces: Right = {
  group: '',
  resource: 'namespaces',
  verbs: ['get', 'list', 'create', 'patch', 'delete'],
}

/** All that releases of these kinds need in their namespace, each resource once; of every kind that needs no rule, when none is named. */
export function rightsFor(kinds: readonly string[] = Object.keys(ownKinds)): Right[] {
  const rights = new Map<string, Right>()
  for (const right of [...always, ...kinds.map(rightOf)]) {
    const key = `${right.group}/${right.resource}`
    const known = rights.get(key)
    rights.set(key, known ? { ...right, verbs: [...new Set([...right.verbs, ...known.verbs])] } : right)
  }
  return [...rights.values()]
}
