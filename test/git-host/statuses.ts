import { findCommit } from './git.ts'
import type { Repository } from './repositories.ts'

/** A commit status as GitHub's REST API shows it. */
export interface Status {
  id: number
  state: 'error' | 'failure' | 'pending' | 'success'
  context: string
  description: string | null
  target_url: string | null
  created_at: string
}
export interface Answer {
  status: number
  body: unknown
}

const states = ['error', 'failure', 'pending', 'success']
/** docs.github.com/rest/commits/statuses: at most so many statuses for one commit and context. */
const maxPerContext = 1000

/** The commit statuses of all repositories, under GitHub's rules. */
export function makeStatuses() {
  const held = new Map<string, Status[]>()
  let lastId = 0
  const list = (fullName: string, sha: string): Status[] => held.get(`${fullName} ${sha}`) ?? []

  return {
    /** Oldest first. */
    list,
    /** The newest of each context. */
    latest: (fullName: string, sha: string): Record<string, Status> =>
      Object.fromEntries(list(fullName, sha).map((status) => [status.context, status])),

    async create({ fullName, folder }: Repository, sha: string, body: unknown): Promise<Answer> {
      const wrong = wrongIn(body)
      if (wrong) return refused(wrong)
      const isSha = /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(sha)
      if (!isSha || (await findCommit(folder, sha)) !== sha) return refused(`No commit found for SHA: ${sha}`)
      const { state, context = 'default', description = null, target_url = null } = body as Status
      const all = list(fullName, sha)
      if (all.filter((status) => status.context === context).length >= maxPerContext)
        return refused('Validation Failed: This SHA and context has reached the maximum number of statuses.')
      const status = { id: ++lastId, state, context, description, target_url, created_at: new Date().toISOString() }
      held.set(`${fullName} ${sha}`, [...all, status])
      return { status: 201, body: status }
    },
  }
}

/** The state of a commit as a whole: the worst of its contexts, pending when there are none. */
export const combined = (statuses: Status[]): Status['state'] => {
  if (statuses.some(({ state }) => state === 'failure' || state === 'error')) return 'failure'
  return statuses.length > 0 && statuses.every(({ state }) => state === 'success') ? 'success' : 'pending'
}

/** GitHub's answer to what it understands and does not take. */
export const refused = (message: string): Answer => ({ status: 422, body: { message, status: '422' } })

function wrongIn(body: unknown): string | undefined {
  const { state, context, description, target_url: target } = (body ?? {}) as Record<string, unknown>
  if (typeof state !== 'string' || !states.includes(state))
    return `Validation Failed: state must be one of ${states.join(', ')}`
  if (context !== undefined && (typeof context !== 'string' || context.length === 0 || context.length > 255))
    return 'Validation Failed: context must be a text of 1 to 255 characters'
  if (description != null && (typeof description !== 'string' || [...description].length > 140))
    return 'Validation Failed: description is too long (maximum is 140 characters)'
  if (target != null && (typeof target !== 'string' || (target !== '' && !/^https?:\/\//.test(target))))
    return 'Validation Failed: target_url must use http(s) scheme'
  return undefined
}
