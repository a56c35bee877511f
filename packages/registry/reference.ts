/** A parsed image reference; without a registry in it, Docker Hub is meant. */
export interface ImageReference {
  registry: string
  repository: string
  tag?: string
  digest?: string
}

/** Parses `host:port/path/name:tag@sha256:…` by the grammar of distribution/reference; undefined when it is none. */
export function parseImageReference(text: string): ImageReference | undefined {
  if (text.length > 500) return undefined
  const match = text.match(/^([^@]+?)(?::([\w][\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/)
  const name = match?.[1]
  if (!match || name === undefined) return undefined
  const [first = '', ...rest] = name.split('/')
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost')
  const registry = hasRegistry ? first : 'docker.io'
  const path = hasRegistry ? rest.join('/') : name
  const part = '[a-z0-9]+(?:(?:\\.|_{1,2}|-+)[a-z0-9]+)*'
  if (!new RegExp(`^${part}(?:/${part})*$`).test(path) || !/^[A-Za-z0-9.-]+(:\d{1,5})?$/.test(registry))
    return undefined
  const repository = registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path
  return { registry, repository, ...(match[2] ? { tag: match[2] } : {}), ...(match[3] ? { digest: match[3] } : {}) }
}
