import { withNumber } from '@taxiway/domain/plan/preview.ts'

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Puts the number of a preview's pull request into the hosts of Ingresses and HTTPRoutes, where they say `{number}`. Nothing else is changed. */
export const fillHosts = (documents: readonly unknown[], number: number | undefined): unknown[] =>
  number === undefined ? [...documents] : documents.map((document) => fillRoute(fillIngress(document, number), number))

function fillIngress(document: unknown, number: number): unknown {
  if (!isObject(document) || document.kind !== 'Ingress' || !isObject(document.spec)) return document
  const filled = (host: unknown) => (typeof host === 'string' ? withNumber(host, number) : host)
  const { rules, tls } = document.spec
  const spec = {
    ...document.spec,
    ...(Array.isArray(rules)
      ? { rules: rules.map((one) => (isObject(one) && 'host' in one ? { ...one, host: filled(one.host) } : one)) }
      : {}),
    ...(Array.isArray(tls)
      ? {
          tls: tls.map((one) =>
            isObject(one) && Array.isArray(one.hosts) ? { ...one, hosts: one.hosts.map(filled) } : one,
          ),
        }
      : {}),
  }
  return { ...document, spec }
}

function fillRoute(document: unknown, number: number): unknown {
  if (!isObject(document) || document.kind !== 'HTTPRoute' || !isObject(document.spec)) return document
  const { hostnames } = document.spec
  if (!Array.isArray(hostnames)) return document
  const filled = hostnames.map((host) => (typeof host === 'string' ? withNumber(host, number) : host))
  return { ...document, spec: { ...document.spec, hostnames: filled } }
}
