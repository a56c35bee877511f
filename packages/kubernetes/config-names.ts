type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Fields of a pod that name a ConfigMap or a Secret, and how they do. */
const references: Record<string, [kind: string, field: string]> = {
  configMap: ['ConfigMap', 'name'],
  configMapRef: ['ConfigMap', 'name'],
  configMapKeyRef: ['ConfigMap', 'name'],
  secret: ['Secret', 'secretName'],
  secretRef: ['Secret', 'name'],
  secretKeyRef: ['Secret', 'name'],
}
/** Parts of a pod in which such fields may stand. */
const rooms = ['volumes', 'projected', 'sources', 'containers', 'initContainers', 'env', 'envFrom', 'valueFrom']

/** The spec of a pod with other names in the place of the ConfigMaps and Secrets that it names. What is given is not changed. */
export const withConfigNames = (pod: Json, rename: (kind: string, name: string) => string): Json => {
  const of = (kind: string, name: unknown) => (typeof name === 'string' ? rename(kind, name) : name)
  const { imagePullSecrets: pulls } = pod
  const renamed = renameIn(pod, of) as Json
  if (!Array.isArray(pulls)) return renamed
  return {
    ...renamed,
    imagePullSecrets: pulls.map((one) => (isObject(one) ? { ...one, name: of('Secret', one.name) } : one)),
  }
}

/** What the spec of a pod names, as `Kind/name`. */
export function configNamesIn(pod: Json): Set<string> {
  const found = new Set<string>()
  withConfigNames(pod, (kind, name) => {
    found.add(`${kind}/${name}`)
    return name
  })
  return found
}

function renameIn(value: unknown, rename: (kind: string, name: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => renameIn(item, rename))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const reference = Object.hasOwn(references, key) ? references[key] : undefined
      if (!reference || !isObject(inner)) return [key, rooms.includes(key) ? renameIn(inner, rename) : inner]
      const [kind] = reference
      // A projected secret has `name`, a volume's `secretName`.
      const field = reference[1] in inner ? reference[1] : 'name'
      return [key, field in inner ? { ...inner, [field]: rename(kind, inner[field]) } : inner]
    }),
  )
}
