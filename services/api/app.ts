import helmet from '@fastify/helmet'
import rateLimit from '@fastify/rate-limit'
import { fastifySSE } from '@fastify/sse'
import swagger from '@fastify/swagger'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { reason } from '@taxiway/domain/reason.ts'
import { redisFault } from '@taxiway/store/redis/connection.ts'
import fastify, { type FastifyBaseLogger, type FastifyError, LogController } from 'fastify'
import { guardRoutes } from './access.ts'
import type { Api, ApiDeps } from './api.ts'
import { boundBodies } from './bodies.ts'
import { ErrorBody, reasonOf, sendReason } from './errors.ts'
import { pageRoutes } from './pages/pages.ts'
import { artifactRoutes } from './routes/artifacts.ts'
import { clusterRoutes } from './routes/clusters.ts'
import { deleteRoute } from './routes/environments/delete.ts'
import { diffRoute } from './routes/environments/diff.ts'
import { environmentRoutes } from './routes/environments/environments.ts'
import { gateRoutes } from './routes/environments/gates.ts'
import { rollOutRoutes } from './routes/environments/roll-outs.ts'
import { environmentStateRoutes } from './routes/environments/state.ts'
import { healthRoutes } from './routes/health.ts'
import { lintRoutes } from './routes/lint.ts'
import { logRoutes } from './routes/logs.ts'
import { provenanceRoute } from './routes/provenance.ts'
import { registryRoutes } from './routes/registries.ts'
import { repositoryRoutes } from './routes/repositories.ts'
import { runRoutes } from './routes/runs.ts'
import { schemaRoute } from './routes/schema.ts'
import { secretRoutes } from './routes/secrets.ts'
import { startRunRoute } from './routes/start-run.ts'
import { tokenRoutes } from './routes/tokens.ts'
import { webhookRoutes } from './webhook.ts'

/** The api from its dependencies. It never listens: tests inject, main listens. */
export async function makeApp(deps: ApiDeps): Promise<Api> {
  const app = fastify({
    loggerInstance: deps.logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: 2 ** 20,
    // A key nobody knows is a slip that somebody should hear of.
    ajv: { customOptions: { removeAdditional: false } },
    requestTimeout: 15_000,
    http: { headersTimeout: 10_000, connectionsCheckingInterval: 2000 },
    routerOptions: { maxParamLength: 200 },
    return503OnClosing: true,
    clientErrorHandler,
  }).withTypeProvider<TypeBoxTypeProvider>() as unknown as Api
  app.setErrorHandler((error: FastifyError, request, reply) => sendReason(reply, reasonOf(error, request, redisFault)))
  app.setNotFoundHandler({}, (_request, reply) => sendReason(reply, reason('not_found', { what: 'page' })))
  await app.register(rateLimit, { global: false })
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
      },
    },
    strictTransportSecurity: deps.url.startsWith('https:'),
  })
  await app.register(fastifySSE)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Taxiway', version: '1', description: 'From a push to a healthy roll-out.' },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }],
    },
    refResolver: { buildLocalReference: (json) => String(json.$id) },
  })
  app.addHook('onRoute', ({ schema }) => {
    if (schema?.response) Object.assign(schema.response, { '4xx': ErrorBody, '5xx': ErrorBody })
  })
  guardRoutes(app, deps.store.tokens)
  boundBodies(app)
  closeConnectionsWhenStopping(app, deps.stopping)
  webhookRoutes(app, deps)
  healthRoutes(app, deps)
  pageRoutes(app, deps)
  schemaRoute(app)
  await app.register(
    async (api) => {
      repositoryRoutes(api as unknown as Api, deps)
      runRoutes(api as unknown as Api, deps)
      startRunRoute(api as unknown as Api, deps)
      logRoutes(api as unknown as Api, deps)
      artifactRoutes(api as unknown as Api, deps)
      provenanceRoute(api as unknown as Api, deps)
      diffRoute(api as unknown as Api, deps)
      tokenRoutes(api as unknown as Api, deps)
      secretRoutes(api as unknown as Api, deps)
      environmentRoutes(api as unknown as Api, deps)
      deleteRoute(api as unknown as Api, deps)
      clusterRoutes(api as unknown as Api, deps)
      gateRoutes(api as unknown as Api, deps)
      rollOutRoutes(api as unknown as Api, deps)
      environmentStateRoutes(api as unknown as Api, deps)
      registryRoutes(api as unknown as Api, deps)
      lintRoutes(api as unknown as Api)
    },
    { prefix: '/api/v1' },
  )
  app.get('/openapi.json', { config: { scope: 'public' }, schema: { hide: true } }, () => app.swagger())
  await app.ready()
  return app
}

/** Keep-alive connections would hold the shutdown up to their own time-out. */
function closeConnectionsWhenStopping(app: Api, stopping: AbortSignal): void {
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (stopping.aborted) reply.header('connection', 'close')
    done()
  })
}

/** What Node itself refuses, before a route is known: slow, oversized or broken requests. */
function clientErrorHandler(error: Error & { code?: string }, socket: import('node:net').Socket): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const [status, why] =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', reason('request_timeout')]
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', reason('body_invalid', { detail: 'the headers are too large' })]
        : ['400 Bad Request', reason('body_invalid', { detail: 'it is not HTTP' })]
  const body = JSON.stringify({ error: why })
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}
