import { existsSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { type Document, isMap, isNode, LineCounter, type Node, parseDocument } from 'yaml'

/** An entry of a list like `[{ name, cluster: {…} }]`. */
type Entry = { name: string } & Record<string, unknown>

const lists = { clusters: 'cluster', users: 'user', contexts: 'context' } as const
type List = keyof typeof lists

/** What kubeconfig files say together. */
interface Kubeconfig extends Record<List, Entry[]> {
  'current-context': string
}

/** A kubeconfig that names a server. */
export interface FoundKubeconfig {
  /** Those of the files that exist. */
  files: string[]
  /** All of them as one, which may lie in any folder. */
  config: Kubeconfig & { apiVersion: 'v1'; kind: 'Config' }
  /** The address of the API server of the current context. */
  server: string
}

/** Keys of clusters and users that name a file, from the folder of the kubeconfig. */
const paths = ['certificate-authority', 'client-certificate', 'client-key', 'tokenFile']

/**
 * Reads the kubeconfig as kubectl does: the files of KUBECONFIG as one, those that are missing passed over, the first
 * that has a name or sets the current context winning; else the file at home. Throws what could not be read, and where.
 * @returns undefined when KUBECONFIG is not set and there is no file at home
 */
export function readKubeconfigFiles(
  environment: { KUBECONFIG?: string | undefined },
  home: string,
): FoundKubeconfig | undefined {
  const given = environment.KUBECONFIG?.split(delimiter).filter(Boolean) ?? []
  const candidates = given.length > 0 ? [...new Set(given)] : [join(home, '.kube/config')]
  const files = candidates.filter((path) => existsSync(path))
  if (files.length === 0 && given.length > 0) throw new Error(`${given.join(delimiter)}: there is no such file`)
  if (files.length === 0) return undefined
  const read = files.map(readFile)
  const merge = (list: List) =>
    read
      .flatMap((config) => config[list])
      .filter(({ name }, index, all) => all.findIndex((entry) => entry.name === name) === index)
  const config = {
    apiVersion: 'v1' as const,
    kind: 'Config' as const,
    'current-context': read.map((one) => one['current-context']).find(Boolean) ?? '',
    clusters: merge('clusters'),
    users: merge('users'),
    contexts: merge('contexts'),
  }
  return { files, config, server: serverOf(config, files.join(delimiter)) }
}

/** The address of the API server of the current context. */
function serverOf(config: Kubeconfig, file: string): string {
  const wanted = config['current-context']
  if (!wanted) throw new Error(`${file}: it names no current-context`)
  const context = config.contexts.find(({ name }) => name === wanted)?.context as { cluster?: unknown } | undefined
  if (!context) throw new Error(`${file}: it has no context ${wanted}`)
  const cluster = config.clusters.find(({ name }) => name === context.cluster)?.cluster as
    | { server?: unknown }
    | undefined
  if (!cluster) throw new Error(`${file}: its context ${wanted} names the cluster ${context.cluster}, which it has not`)
  if (typeof cluster.server !== 'string' || !URL.canParse(cluster.server))
    throw new Error(`${file}: the server of its cluster ${context.cluster} is no address`)
  return cluster.server
}

/** One file. Throws with its name and the line of what cannot be read. */
function readFile(file: string): Kubeconfig {
  const lines = new LineCounter()
  const document = parseDocument(readFileSync(file, 'utf8'), { lineCounter: lines, prettyErrors: false })
  const fail = (what: string, offset: number): never => {
    throw new Error(`${file}, line ${lines.linePos(offset).line}: ${what}`)
  }
  const [error] = document.errors
  if (error) fail(error.message.replace(/\s+/g, ' '), error.pos[0])
  const empty: Kubeconfig = { 'current-context': '', clusters: [], users: [], contexts: [] }
  if (document.contents === null) return empty
  if (!isMap(document.contents)) fail('it is not a map', startOf(document.contents))
  const content = document.toJS() as Record<string, unknown>
  const at = (...path: (string | number)[]) => startOf(document.getIn(path, true)) || startOfKey(document, path)
  const context = content['current-context'] ?? ''
  if (typeof context !== 'string') fail('current-context is not a name', at('current-context'))
  const config = { ...empty, 'current-context': context as string }
  for (const [list, key] of Object.entries(lists) as [List, string][]) {
    const entries = content[list] ?? []
    if (!Array.isArray(entries)) return fail(`${list} is not a list`, at(list))
    config[list] = entries.map((entry, index) => {
      if (typeof entry?.name !== 'string') return fail(`an entry of ${list} has no name`, at(list, index))
      if (typeof entry[key] !== 'object' || entry[key] === null)
        return fail(`the entry ${entry.name} of ${list} has no ${key}`, at(list, index))
      return { ...entry, [key]: withPaths(entry[key], dirname(resolve(file))) }
    })
  }
  return config
}

const startOf = (node: unknown): number => (isNode(node) ? ((node as Node).range?.[0] ?? 0) : 0)

/** Where the key of a value stands that has no place of its own. */
function startOfKey(document: Document, [key]: (string | number)[]): number {
  const pair = isMap(document.contents) ? document.contents.items.find((item) => String(item.key) === key) : undefined
  return startOf(pair?.key)
}

/** The same with its paths from the folder made whole. */
function withPaths(entry: Record<string, unknown>, folder: string): Record<string, unknown> {
  const whole = Object.entries(entry).map(([key, value]) =>
    paths.includes(key) && typeof value === 'string' && value ? [key, resolve(folder, value)] : [key, value],
  )
  return Object.fromEntries(whole)
}
