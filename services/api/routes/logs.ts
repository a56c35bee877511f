import type { RunId } from '@taxiway/domain/ids.ts'
import { isTerminal } from '@taxiway/domain/run/run.ts'
import { connectBlocking } from '@taxiway/store/redis/connection.ts'
import { followEvents } from '@taxiway/store/runs/events.ts'
import type { FastifyReply } from 'fastify'
import Type from 'typebox'
import type { Api, ApiDeps } from '../api.ts'
import { sendReason } from '../errors.ts'
import { findRun } from '../find.ts'

const Params = Type.Object({ id: Type.String() })
/** How often a follower of a log looks whether the run is over. */
const endCheckMs = 500

/** A run's log as text, or as server-sent events that resume from Last-Event-ID; and the stream of all events. */
export function logRoutes(app: Api, deps: ApiDeps): void {
  const { store } = deps

  app.get(
    '/runs/:id/logs',
    {
      sse: 'dual',
      config: { scope: 'read' },
      schema: { params: Params, tags: ['runs'], summary: "A run's log: text, or server-sent events" },
    },
    async (request, reply) => {
      const found = await findRun(store, request.params.id)
      if (!found.ok) return sendReason(reply, found.reason)
      if (/text\/event-stream/.test(request.headers.accept ?? '')) return streamLog(reply, deps, found.value.id)
      reply.raw.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' })
      reply.hijack()
      for await (const entry of store.logs.read(found.value.id))
        if (!reply.raw.write(entry.text)) await new Promise((resolve) => reply.raw.once('drain', resolve))
      reply.raw.end()
    },
  )

  app.get(
    '/events',
    {
      sse: 'only',
      config: { scope: 'read' },
      schema: { tags: ['events'], summary: 'All events as server-sent events' },
    },
    async (_request, reply) => {
      const from = reply.sse.lastEventId ?? '$'
      await withConnection(reply, deps, async (blocking, signal) => {
        for await (const streamed of followEvents(blocking, from, signal))
          await reply.sse.send({
            id: streamed.id,
            event: streamed.event.type,
            data: { run: streamed.run, version: streamed.version, ...withoutInternals(streamed.event) },
          })
      })
    },
  )
}

const withoutInternals = (event: object) => ('holder' in event ? { ...event, holder: undefined } : event)

/** Sends what there is, follows what comes, and says `end` with the run's state when it is over. */
async function streamLog(reply: FastifyReply, deps: ApiDeps, id: RunId): Promise<void> {
  const { logs, runs } = deps.store
  let last = reply.sse.lastEventId ?? '0-0'
  const send = async (entry: { id: string; stage: string; attempt: number; text: string }) => {
    last = entry.id
    await reply.sse.send({
      id: entry.id,
      event: 'log',
      data: { stage: entry.stage, attempt: entry.attempt, text: entry.text },
    })
  }
  await withConnection(reply, deps, async (blocking, signal) => {
    const over = new AbortController()
    const timer = setInterval(async () => {
      const run = await runs.read(id).catch(() => undefined)
      if (run && isTerminal(run.state)) {
        over.abort()
        blocking.disconnect()
      }
    }, endCheckMs)
    try {
      for await (const entry of logs.follow(blocking, id, last, AbortSignal.any([signal, over.signal])))
        await send(entry)
    } finally {
      clearInterval(timer)
    }
    if (signal.aborted) return
    for await (const entry of logs.read(id, last)) await send(entry)
    const run = await runs.read(id)
    await reply.sse.send({ event: 'end', data: { state: run?.state, reason: run?.reason } })
  })
}

/** A Redis connection of its own for one reader, ended with the reader or the server. */
async function withConnection(
  reply: FastifyReply,
  deps: ApiDeps,
  use: (blocking: ReturnType<typeof connectBlocking>, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const gone = new AbortController()
  const signal = AbortSignal.any([gone.signal, deps.stopping])
  const blocking = connectBlocking(deps.store.redisUrl)
  signal.addEventListener('abort', () => blocking.disconnect(), { once: true })
  reply.raw.once('close', () => gone.abort())
  reply.sse.sendHeaders()
  await use(blocking, signal).catch((error) => {
    if (!signal.aborted) deps.logger.info({ err: error }, 'a reader was cut off')
  })
  gone.abort()
  reply.sse.close()
}
