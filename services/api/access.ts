import { reason } from '@taxiway/domain/reason.ts'
import type { Scope, Token } from '@taxiway/domain/token.ts'
import type { Tokens } from '@taxiway/store/access/tokens.ts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { sendReason } from './errors.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call the route. A route without it can't be registered. */
    scope?: Scope | 'public'
  }
  interface FastifyRequest {
    caller: Token | undefined
  }
}

/** Name of the cookie that the sign-in page sets. It is honoured for reading only, so no other site can act with it. */
export const cookieName = 'taxiway_token'
const rank = { read: 1, write: 2, admin: 3 } as const
/** Wrong tokens that one address may show in a minute. */
const badLoginsPerMinute = 60

/** Every route names who may call it; what names nobody does not start. Default is to deny. */
export function guardRoutes(app: FastifyInstance, tokens: Tokens): void {
  const limit = app.createRateLimit({ max: badLoginsPerMinute, timeWindow: 60_000 })
  app.decorateRequest('caller', undefined)
  app.addHook('onRoute', (route) => {
    if (!route.config?.scope) throw new Error(`${String(route.method)} ${route.url} does not say who may call it`)
  })
  app.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    const scope = request.routeOptions.config.scope
    if (scope === 'public' || request.is404) return
    const token = tokenOf(request)
    request.caller = token ? await tokens.find(token) : undefined
    if (!request.caller) {
      const rate = token ? await limit(request) : undefined
      if (rate && !rate.isAllowed && rate.isExceeded) return sendReason(reply, reason('rate_limited'))
      return sendReason(reply, reason('unauthorized'))
    }
    if (!scope || rank[request.caller.scope] < rank[scope])
      return sendReason(reply, reason('forbidden', { scope: scope ?? 'admin' }))
  })
}

function tokenOf(request: FastifyRequest): string | undefined {
  const bearer = /^Bearer (\S{1,500})$/i.exec(request.headers.authorization ?? '')?.[1]
  if (bearer || (request.method !== 'GET' && request.method !== 'HEAD')) return bearer
  const cookie = request.headers.cookie?.split(/; */).find((pair) => pair.startsWith(`${cookieName}=`))
  return cookie?.slice(cookieName.length + 1)
}
