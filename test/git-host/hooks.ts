import type { Delivery } from './deliveries.ts'
import { numberOf, ownerOf, type Repository, showRepository } from './repositories.ts'
import { type Answer, refused } from './statuses.ts'

interface Deliveries {
  attempts: Delivery[]
  send(repository: Repository, event: string, payload: unknown): Promise<Delivery>
  redeliver(id: string): Promise<Delivery>
}

/** A webhook as GitHub shows it; the secret stays hidden. */
const showHook = ({ webhook }: Repository) => ({
  type: 'Repository',
  id: webhook?.id,
  name: 'web',
  active: true,
  events: ['push'],
  config: {
    url: webhook?.url,
    content_type: 'json',
    insecure_ssl: '0',
    ...(webhook?.secret ? { secret: '********' } : {}),
  },
})

/** Webhooks and their deliveries over REST (docs.github.com/rest/repos/webhooks). A repository here has one, for pushes. */
export function makeHooks(deliveries: Deliveries) {
  return {
    list: (repository: Repository): Answer => ({ status: 200, body: repository.webhook ? [showHook(repository)] : [] }),

    /** Registers the webhook and, as GitHub does, pings it. */
    create(repository: Repository, body: unknown): Answer {
      const { config, events = ['push'] } = (body ?? {}) as { config?: Record<string, unknown>; events?: unknown }
      const { url, secret = '', content_type: type } = config ?? {}
      if (typeof url !== 'string' || !/^https?:\/\//.test(url) || typeof secret !== 'string')
        return refused('Validation Failed: config.url must be an http(s) URL')
      if (type !== 'json') return refused('Validation Failed: only content_type json is sent here')
      if (!Array.isArray(events) || !events.includes('push'))
        return refused('Validation Failed: only push is sent here')
      if (repository.webhook) return refused('Validation Failed: Hook already exists on this repository')
      repository.webhook = { id: numberOf(`hook ${repository.fullName}`), url, secret }
      const hook = showHook(repository)
      const ping = { zen: 'Keep it logically awesome.', hook_id: hook.id, hook }
      void deliveries.send(repository, 'ping', {
        ...ping,
        repository: showRepository(repository),
        sender: ownerOf(repository),
      })
      return { status: 201, body: hook }
    },

    /** Newest first, without the bodies. */
    attempts({ fullName }: Repository): Answer {
      const shown = deliveries.attempts
        .filter((attempt) => attempt.repository === fullName)
        .map(({ number, id, at, redelivery, ms, status, event }) => ({
          id: number,
          guid: id,
          delivered_at: at,
          redelivery,
          duration: ms / 1000,
          status: status >= 200 && status < 300 ? 'OK' : status ? 'Invalid HTTP Response' : 'failed to connect to host',
          status_code: status,
          event,
        }))
      return { status: 200, body: shown.toReversed() }
    },

    /** Sends a delivery again; the answer does not wait for it. */
    redeliver({ fullName }: Repository, number: number): Answer | undefined {
      const attempt = deliveries.attempts.find((one) => one.repository === fullName && one.number === number)
      if (!attempt) return undefined
      void deliveries.redeliver(attempt.id)
      return { status: 202, body: {} }
    },
  }
}
