import { createHmac, randomUUID } from 'node:crypto'
import { request as overHttp } from 'node:http'
import { request as overHttps } from 'node:https'
import { type Fault, playHookFault } from './faults.ts'
import type { Repository } from './repositories.ts'

/** One attempt to deliver a webhook. `status` is 0 when no answer came; `responseBody` then says why. */
export interface Delivery {
  /** Of this attempt; `id` is the same for all attempts of a delivery. */
  number: number
  id: string
  redelivery: boolean
  at: string
  event: string
  repository: string
  status: number
  responseBody: string
  ms: number
}
interface Sent {
  event: string
  repository: Repository
  body: Buffer
}

/** docs.github.com/webhooks: the receiver has ten seconds, and nothing is sent again by itself. */
const deadlineMs = 10_000

/** Sends webhooks and remembers every attempt, also the bytes, so that one can be sent again as it was. */
export function startDeliveries({ say, fault }: { say: (line: string) => void; fault: () => Fault }) {
  const attempts: Delivery[] = []
  const sent = new Map<string, Sent>()
  const ending = new AbortController()

  const attempt = async (id: string, { event, repository, body }: Sent, redelivery = false): Promise<Delivery> => {
    const at = new Date().toISOString()
    const started = performance.now()
    const sending = async () => {
      await playHookFault(fault(), ending.signal)
      const signal = AbortSignal.any([ending.signal, AbortSignal.timeout(deadlineMs)])
      return post(repository, { id, event, body, signal }).catch((error) => Promise.reject(signal.reason ?? error))
    }
    const answer = await sending().catch((error: Error) => ({ status: 0, responseBody: String(error) }))
    const delivery = {
      number: attempts.length + 1,
      id,
      redelivery,
      at,
      event,
      repository: repository.fullName,
      ...answer,
      ms: Math.round(performance.now() - started),
    }
    attempts.push(delivery)
    say(`webhook ${event} of ${delivery.repository}: ${delivery.status || delivery.responseBody} in ${delivery.ms} ms`)
    return delivery
  }
  return {
    attempts,
    send(repository: Repository, event: string, payload: unknown): Promise<Delivery> {
      const id = randomUUID()
      sent.set(id, { event, repository, body: Buffer.from(JSON.stringify(payload)) })
      return attempt(id, sent.get(id) as Sent)
    },
    /** @throws when nothing with this id was ever sent */
    async redeliver(id: string): Promise<Delivery> {
      const first = sent.get(id)
      if (!first) throw new Error(`no delivery ${id}`)
      return attempt(id, first, true)
    },
    stop: () => ending.abort(new Error('the git host ends')),
  }
}

/** Posts as GitHub does: the signature is over the raw bytes, every delivery has a connection of its own. */
function post(
  { webhook }: Repository,
  { id, event, body, signal }: { id: string; event: string; body: Buffer; signal: AbortSignal },
): Promise<{ status: number; responseBody: string }> {
  if (!webhook) return Promise.reject(new Error('the repository has no webhook'))
  const signature = `sha256=${createHmac('sha256', webhook.secret).update(body).digest('hex')}`
  const headers = {
    accept: '*/*',
    'content-type': 'application/json',
    'content-length': body.length,
    'user-agent': 'GitHub-Hookshot/7f3c2a1',
    'x-github-event': event,
    'x-github-delivery': id,
    'x-github-hook-id': String(webhook.id),
    ...(webhook.secret ? { 'x-hub-signature-256': signature } : {}),
  }
  const open = webhook.url.startsWith('https:') ? overHttps : overHttp
  return new Promise((resolve, reject) => {
    const outgoing = open(webhook.url, { method: 'POST', headers, agent: false, signal }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (chunk: Buffer) => parts.push(chunk)).once('error', reject)
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, responseBody: Buffer.concat(parts).toString() }),
      )
    })
    outgoing.once('error', reject).end(body)
  })
}
