import { parseRepositoryId } from '@taxiway/domain/ids.ts'

/** A server's API, for the commands that ask it for something. */
export interface Client {
  url: string
  /** @throws Refused when the server refuses, or does not answer */
  // biome-ignore lint/suspicious/noExplicitAny: answers are described by /openapi.json, and only shown here
  call(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<any>
}
/** What a person is told: the server's own sentence, or why there is none. */
export class Refused extends Error {}

const deadlineMs = 20_000

/** @throws Refused when there is no server or token to use */
export function makeClient(server: string | undefined, environment: NodeJS.ProcessEnv): Client {
  const url = (server ?? environment.TAXIWAY_URL ?? '').replace(/\/+$/, '')
  if (!url) throw new Refused('Which server? Pass --server URL, or set TAXIWAY_URL.')
  if (!/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : ''))
    throw new Refused(`${url} is no address of a server, like https://taxiway.example.com.`)
  const token = environment.TAXIWAY_TOKEN
  if (!token) throw new Refused('A token is needed. Set TAXIWAY_TOKEN to one of scope write (for releases, read).')
  return {
    url,
    async call(method, path, body) {
      const answer = await fetch(`${url}/api/v1${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, ...(body ? { 'content-type': 'application/json' } : {}) },
        ...(body ? { body: JSON.stringify(body) } : {}),
        // The token is for this server only.
        redirect: 'error',
        signal: AbortSignal.timeout(deadlineMs),
      }).catch((error: Error & { cause?: { code?: string; message?: string } }) => {
        throw new Refused(`${url} does not answer: ${error.cause?.code ?? error.cause?.message ?? error.message}.`)
      })
      const value = await answer.json().catch(() => undefined)
      if (answer.ok && value) return value
      const why = (value as { error?: { code: string; message: string } } | undefined)?.error
      throw new Refused(
        why ? `${why.message} [${why.code}]` : `${url} answered ${answer.status}, which is not Taxiway.`,
      )
    },
  }
}

/** The id of a repository that is named `owner/name`, or by its id already. */
export async function repositoryId(client: Client, name: string): Promise<string> {
  if (parseRepositoryId(name)) return name
  const { items } = (await client.call('GET', '/repos')) as { items: { id: string; name: string }[] }
  const found = items.filter((one) => one.name.toLowerCase() === name.toLowerCase())
  const [only] = found
  if (only && found.length === 1) return only.id
  throw new Refused(
    only
      ? `More than one git host has ${name}. Give an id: ${found.map(({ id }) => id).join(', ')}.`
      : `${client.url} knows no repository ${name}. It knows ${items.map((one) => one.name).join(', ') || 'none'}.`,
  )
}

/** The id of a run that is given as it is, or by the address of its page. */
export const runId = (text: string): string =>
  text
    .replace(/[?#].*$/, '')
    .split('/')
    .at(-1) ?? text
