import type { SecretSet } from '@taxiway/domain/environment/release.ts'
import { type Findings, type Json, listOf } from './findings.ts'

/** Data of the config maps of the same manifests, by name. */
export type ConfigMaps = ReadonlyMap<string, Record<string, string>>
/** Where variables may come from. */
export interface Sources {
  configs: ConfigMaps
  secrets: readonly SecretSet[]
}

/** The variables of a container: texts, and those that hold a secret of the repository. */
export function readEnv(
  container: Json,
  { configs, secrets: sets }: Sources,
  findings: Findings,
): { env: Record<string, string>; secrets: Record<string, string> } {
  const env: Record<string, string> = {}
  const secrets: Record<string, string> = {}
  for (const { configMapRef, secretRef, prefix = '' } of listOf(container.envFrom)) {
    const config = configs.get(configMapRef?.name)
    if (secretRef) findings.unsupported(`envFrom Secret ${secretRef.name} needs Kubernetes`)
    else if (config) for (const [key, value] of Object.entries(config)) env[prefix + key] = value
    else if (!configMapRef?.optional) findings.unsupported(`ConfigMap ${configMapRef?.name} is not among the manifests`)
  }
  for (const { name, value, valueFrom: source } of listOf(container.env)) {
    const { name: set, key } = source?.secretKeyRef ?? {}
    if (sets.some((known) => known.name === set && known.keys.includes(key))) {
      secrets[String(name)] = key
      continue
    }
    const found = source ? valueFrom(String(name), source, configs, findings) : expand(String(value ?? ''), env)
    if (found !== undefined) env[String(name)] = found
  }
  return { env, secrets }
}

function valueFrom(name: string, source: Json, configs: ConfigMaps, findings: Findings): string | undefined {
  const reference = source.configMapKeyRef
  const config = configs.get(reference?.name) ?? {}
  const found = Object.hasOwn(config, reference?.key) ? config[reference.key] : undefined
  if (found !== undefined || reference?.optional) return found
  const where = reference ? `key ${reference.key} of ConfigMap ${reference.name}` : Object.keys(source)[0]
  findings.unsupported(
    reference ? `variable ${name}: ${where} is not among the manifests` : `variable ${name}: ${where} needs Kubernetes`,
  )
  return undefined
}

/** `$(NAME)` is a variable defined before, `$$` a dollar (kubernetes.io/docs: "Define Dependent Environment Variables"). */
export const expand = (text: string, env: Record<string, string>): string =>
  text.replace(/\$\$|\$\(([-._A-Za-z][-._A-Za-z0-9]*)\)/g, (all, name) =>
    name === undefined ? '$' : Object.hasOwn(env, name) ? (env[name] as string) : all,
  )
