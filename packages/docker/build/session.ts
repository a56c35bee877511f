import { randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { MethodDefinition, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'
import type { RegistryAuth } from '@taxiway/registry/call.ts'
import { callDeadlineMs, type Engine, within } from '../engine/engine.ts'

/** What BuildKit may ask of us during a build, as one service of gRPC. */
export interface SessionService {
  definition: ServiceDefinition
  handlers: UntypedServiceImplementation
}
/** A connection on which BuildKit asks back while it builds. What it is told is in no record, image or argument list. */
export interface Session {
  /** Goes with the build as its `session`. */
  id: string
  close(): void
}

/** Opens a session of BuildKit with these services (Engine API `POST /session`, gRPC over HTTP/2 on the connection that the engine gives back). */
export async function openSession(
  engine: Engine,
  services: readonly SessionService[],
  { sharedKey = '', signal }: { sharedKey?: string | undefined; signal?: AbortSignal } = {},
): Promise<Session> {
  // Loaded by the first build that needs it: the library costs some megabytes.
  const { Server, ServerCredentials } = await import('@grpc/grpc-js')
  const id = randomUUID()
  const socket = await within(callDeadlineMs, signal, () => dial(engine, { id, sharedKey }, services))
  const server = new Server()
  for (const { definition, handlers } of [healthService, ...services]) server.addService(definition, handlers)
  socket.on('error', () => {})
  server.createConnectionInjector(ServerCredentials.createInsecure()).injectConnection(socket)
  return {
    id,
    close() {
      server.forceShutdown()
      socket.destroy()
    },
  }
}

function dial(
  engine: Engine,
  { id, sharedKey }: { id: string; sharedKey: string },
  services: readonly SessionService[],
): Promise<Duplex> {
  const methods = services.flatMap(({ definition }) => Object.values(definition).map(({ path }) => path))
  const headers = {
    Upgrade: 'h2c',
    'X-Docker-Expose-Session-Uuid': id,
    'X-Docker-Expose-Session-Name': 'taxiway',
    'X-Docker-Expose-Session-Sharedkey': sharedKey,
    'X-Docker-Expose-Session-Grpc-Method': methods,
  }
  return new Promise((resolve, reject) => {
    const call = { method: 'POST', path: '/session', hijack: true, headers, statusCodes: { 101: true, 200: true } }
    engine.docker.modem.dial(call as never, (error, answer) => {
      if (error) reject(error)
      else resolve(answer as unknown as Duplex)
    })
  })
}

/** A method that takes and gives one message. */
export const unary = <Request, Answer>(
  path: string,
  read: (bytes: Buffer) => Request,
  write: (answer: Answer) => Buffer,
): MethodDefinition<Request, Answer> => ({
  path,
  requestStream: false,
  responseStream: false,
  requestDeserialize: read,
  responseSerialize: write,
  requestSerialize: () => Buffer.alloc(0),
  responseDeserialize: () => undefined as Answer,
})

/** Reads field 1 of a message, which is text: all that is asked of us by name. */
async function firstText(): Promise<(bytes: Buffer) => string> {
  const { Reader } = (await import('protobufjs/minimal.js')).default
  return (bytes) => {
    const reader = Reader.create(bytes)
    let text = ''
    while (reader.pos < reader.len) {
      const tag = reader.uint32()
      if (tag >>> 3 === 1) text = reader.string()
      else reader.skipType(tag & 7)
    }
    return text
  }
}

/** BuildKit asks every second whether somebody is there, and hangs up if nobody answers (grpc/grpc doc/health-checking.md). */
const healthService: SessionService = {
  definition: {
    check: unary(
      '/grpc.health.v1.Health/Check',
      () => ({}),
      () => Buffer.from([8, 1]),
    ),
  } as ServiceDefinition,
  handlers: {
    check: (_call: object, answer: (error: null, serving: true) => void) => answer(null, true),
  } as unknown as UntypedServiceImplementation,
}

/** Answers who we are to a registry (moby/buildkit session/auth/auth.proto): the credentials of exactly that host, or none. */
export async function authService(auths: Readonly<Record<string, RegistryAuth>>): Promise<SessionService> {
  const { Writer } = (await import('protobufjs/minimal.js')).default
  const readHost = await firstText()
  const writeAuth = (auth: RegistryAuth | undefined): Buffer => {
    const writer = Writer.create()
    if (auth) writer.uint32(10).string(auth.username).uint32(18).string(auth.password)
    return Buffer.from(writer.finish())
  }
  const credentials = unary('/moby.filesync.v1.Auth/Credentials', readHost, writeAuth)
  return {
    definition: { credentials } as ServiceDefinition,
    handlers: {
      credentials(call: { request: string }, answer: (error: null, auth: RegistryAuth | undefined) => void) {
        answer(null, auths[imageHost(call.request)])
      },
    } as unknown as UntypedServiceImplementation,
  }
}

/** Docker Hub answers under other names than images bear. */
const imageHost = (host: string): string => (/^(index|registry-1)\.docker\.io$/.test(host) ? 'docker.io' : host)

const grpcNotFound = 5

/** Gives a build the secrets that its steps mount (moby/buildkit session/secrets/secrets.proto): those named here, and no others. */
export async function secretsService(values: Readonly<Record<string, string>>): Promise<SessionService> {
  const { Writer } = (await import('protobufjs/minimal.js')).default
  const writeData = (data: Buffer): Buffer => Buffer.from(Writer.create().uint32(10).bytes(data).finish())
  const readId = await firstText()
  const getSecret = unary('/moby.buildkit.secrets.v1.Secrets/GetSecret', readId, writeData)
  return {
    definition: { getSecret } as ServiceDefinition,
    handlers: {
      getSecret(call: { request: string }, answer: (error: object | null, data?: Buffer) => void) {
        const value = Object.hasOwn(values, call.request) ? values[call.request] : undefined
        if (value === undefined) answer({ code: grpcNotFound, details: `secret ${call.request} not found` })
        else answer(null, Buffer.from(value))
      },
    } as unknown as UntypedServiceImplementation,
  }
}
