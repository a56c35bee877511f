/** Untrusted JSON: any field may be missing or of any type. */
interface Loose {
  [key: string]: Loose | undefined
}

const volumeTypes = ['configMap', 'secret', 'emptyDir', 'persistentVolumeClaim', 'downwardAPI', 'projected']
const forbiddenInPod = ['hostNetwork', 'hostPID', 'hostIPC', 'nodeName', 'ephemeralContainers', 'hostUsers']
const probes = ['livenessProbe', 'readinessProbe', 'startupProbe']

const list = (value: unknown): Loose[] =>
  Array.isArray(value) ? value : value === undefined || value === null ? [] : [value as Loose]
const isSet = (value: unknown): boolean => value !== undefined && value !== null && value !== false

/**
 * What a pod template asks for beyond running its containers, or undefined. After the Pod Security Standards: baseline in
 * full, from restricted the volume types and privilege escalation; also no service account of its own.
 */
export function podObjection(template: unknown): string | undefined {
  const { metadata, spec } = (template ?? {}) as { metadata?: Loose; spec?: Loose }
  if (!spec || typeof spec !== 'object') return undefined
  const forbidden = forbiddenInPod.find((field) => isSet(spec[field]))
  if (forbidden) return `${forbidden} not allowed`
  for (const field of ['serviceAccountName', 'serviceAccount'])
    if (isSet(spec[field]) && (spec[field] as unknown) !== 'default') return `${field} other than default not allowed`
  if (String(spec.priorityClassName ?? '').startsWith('system-')) return 'a system priorityClassName not allowed'
  const annotations = Object.entries((metadata?.annotations ?? {}) as Record<string, unknown>)
  const unconfined = annotations.find(([key, value]) => /apparmor|seccomp/.test(key) && value === 'unconfined')
  if (unconfined) return `annotation ${unconfined[0]}: unconfined not allowed`
  return (
    securityObjection(spec.securityContext) ??
    first(list(spec.volumes), volumeObjection) ??
    first([...list(spec.initContainers), ...list(spec.containers)], containerObjection)
  )
}

const first = (items: Loose[], check: (item: Loose) => string | undefined): string | undefined =>
  items.map((item) => check(item ?? ({} as Loose))).find((text) => text !== undefined)

function volumeObjection(volume: Loose): string | undefined {
  const type = Object.keys(volume).find((key) => key !== 'name' && !volumeTypes.includes(key))
  if (type) return `volume type ${type} not allowed`
  const hasToken = list(volume.projected?.sources).some((source) => isSet(source?.serviceAccountToken))
  return hasToken ? 'a projected serviceAccountToken not allowed' : undefined
}

function containerObjection(container: Loose): string | undefined {
  if (list(container.ports).some((port) => isSet(port?.hostPort))) return 'hostPort not allowed'
  if (list(container.volumeDevices).length > 0) return 'volumeDevices not allowed'
  const handlers = [
    ...probes.map((name) => container[name]),
    container.lifecycle?.postStart,
    container.lifecycle?.preStop,
  ]
  for (const handler of handlers)
    if (isSet(handler?.httpGet?.host) || isSet(handler?.tcpSocket?.host)) return 'a probe of another host not allowed'
  return securityObjection(container.securityContext)
}

function securityObjection(context: Loose | undefined): string | undefined {
  if (!context) return undefined
  for (const field of ['privileged', 'allowPrivilegeEscalation'])
    if (isSet(context[field])) return `securityContext.${field} not allowed`
  const added = list(context.capabilities?.add).map(String)
  const capability = added.find((name) => name !== 'NET_BIND_SERVICE')
  if (capability) return `capability ${capability} not allowed`
  if (isSet(context.procMount) && String(context.procMount) !== 'Default') return 'procMount not allowed'
  if (list(context.sysctls).length > 0) return 'sysctls not allowed'
  if (isSet(context.seLinuxOptions)) return 'seLinuxOptions not allowed'
  if (isSet(context.windowsOptions?.hostProcess)) return 'hostProcess not allowed'
  for (const field of ['seccompProfile', 'appArmorProfile'])
    if (String(context[field]?.type ?? '') === 'Unconfined') return `${field} Unconfined not allowed`
  return undefined
}
