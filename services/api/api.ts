import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { ReadinessCheck } from '@taxiway/chassis/health.ts'
import type { Logger } from '@taxiway/chassis/logger.ts'
import type { Store } from '@taxiway/store/store.ts'
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'

/** What the routes of the api work with. */
export interface ApiDeps {
  store: Store
  logger: Logger
  /** Public address. */
  url: string
  allowedOrigins: string[]
  /** Where artifacts of runs are. */
  dataFolder: string
  /** Aborted when the server is to stop: ends the streams. */
  stopping: AbortSignal
  metrics: { metrics(): Promise<string>; contentType: string }
  ready: ReadinessCheck
}
/** The server, with types that follow the schemas. */
export type Api = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>
