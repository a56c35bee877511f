import type { Answer, Status } from './call.ts'

/** One kind, as a list of resources has it (`APIResourceList`). */
interface Resource {
  name: string
  kind: string
  namespaced: boolean
}
/** A kind that is not in the list is looked for again when the list is older than this: it may have come since. */
const listMs = 5_000

/** The `reason` of an answer that is our own: the kind is not one of a namespace. */
export const clusterWide = 'ClusterWide'

/**
 * Finds the plural of kinds, and whether they live in namespaces, in what the API says of itself; lists are kept by group and
 * version.
 * @returns what puts it into a path in the place of `~Kind`, or answers in the server's stead that there is none
 */
export function makeDiscovery(
  ask: (path: string, signal: AbortSignal) => Promise<Answer>,
  now = () => performance.now(),
) {
  const lists = new Map<string, { resources: Resource[]; atMs: number }>()
  return async function resolve(path: string, signal: AbortSignal): Promise<string | Answer> {
    const [, root, namespace, kind, rest] = /^(\/apis?\/.+)(\/namespaces\/[^/]+)\/~([^/]+)(.*)$/.exec(path) ?? []
    if (root === undefined || kind === undefined) return path
    const find = () => lists.get(root)?.resources.find((one) => one.kind === kind && !one.name.includes('/'))
    const known = lists.get(root)
    if (!find() && (!known || now() - known.atMs > listMs)) {
      const answer = (await ask(root, signal)) as Answer<{ resources?: Resource[] }>
      if (answer.status !== 200) return answer.status === 404 ? none : answer
      lists.set(root, { resources: answer.body.resources ?? [], atMs: now() })
    }
    const found = find()
    if (!found) return none
    if (!found.namespaced) return { status: 405, body: { reason: clusterWide } satisfies Status }
    return `${root}${namespace}/${found.name}${rest}`
  }
}

/** As servers say it. */
const none: Answer<Status> = { status: 404, body: { message: 'the server could not find the requested resource' } }
