import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'
import type { BuildContext, ContextEntry, PackingContext } from './context.ts'
import { hasCacheMounts } from './dockerfile.ts'
import { bytesOf } from './names.ts'
import type { SessionService } from './session.ts'

/** Kinds of packets (tonistiigi/fsutil types/wire.proto). */
const packet = { stat: 0, request: 1, data: 2, end: 3, error: 4 } as const
/** Bits of a mode as Go has them (io/fs.FileMode). */
const folderMode = 2 ** 31
const linkMode = 2 ** 27

/** Opening a file safely takes several steps, so a few are read at a time. */
const filesAtOnce = 8

interface Packet {
  type: number
  id: number
}
interface Call {
  metadata: { get(name: string): (string | Buffer)[] }
  write(bytes: Buffer): boolean
  end(): void
  on(event: 'data', listener: (packet: Packet) => void): void
  on(event: 'error' | 'cancelled', listener: () => void): void
  cancelled: boolean
  once(event: 'drain', listener: () => void): void
}

/**
 * Gives BuildKit the files of a build as it asks for them (moby/buildkit session/filesync/filesync.proto): first it is told
 * what there is, then it asks for the content of what it does not have from an earlier build of the same shared key. It
 * compares size and time. Where steps keep work in cache mounts, a file's time is part of what a `COPY` is known by (docs/decisions/0013-times-of-files.md).
 */
export async function fileService(packed: PackingContext['packed']): Promise<SessionService> {
  const wire = await makeWire()
  const diffCopy = {
    path: '/moby.filesync.v1.FileSync/DiffCopy',
    requestStream: true,
    responseStream: true,
    requestDeserialize: wire.read,
    requestSerialize: () => Buffer.alloc(0),
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: (bytes: Buffer) => bytes,
  }
  return {
    definition: { diffCopy } as unknown as ServiceDefinition,
    handlers: {
      diffCopy(call: Call) {
        serveWhenPacked(call, packed, wire).catch((error: Error) => {
          call.write(wire.packet(packet.error, 0, Buffer.from(error.message)))
          call.end()
        })
      },
    } as unknown as UntypedServiceImplementation,
  }
}

type Wire = Awaited<ReturnType<typeof makeWire>>

async function makeWire() {
  const { Reader, Writer } = (await import('protobufjs/minimal.js')).default
  return {
    read(bytes: Buffer): Packet {
      const reader = Reader.create(bytes)
      const found = { type: 0, id: 0 }
      while (reader.pos < reader.len) {
        const tag = reader.uint32()
        if (tag >>> 3 === 1) found.type = reader.int32()
        else if (tag >>> 3 === 3) found.id = reader.uint32()
        else reader.skipType(tag & 7)
      }
      return found
    },
    packet(type: number, id: number, data?: Uint8Array): Buffer {
      const writer = Writer.create().uint32(8).int32(type).uint32(24).uint32(id)
      if (data) writer.uint32(34).bytes(data)
      return Buffer.from(writer.finish())
    },
    stat({ path, kind, mode, size, link, timeMs }: ContextEntry, isKnownByTime: boolean): Buffer {
      const bits = kind === 'folder' ? folderMode : kind === 'link' ? linkMode : 0
      const writer = Writer.create().uint32(18).fork().uint32(10).bytes(bytesOf(path)).uint32(16)
      writer.uint32(kind === 'link' ? bits + 0o777 : bits + mode)
      writer.uint32(40).int64(kind === 'link' ? bytesOf(link).length : size)
      writer.uint32(48).int64(timeMs * 1e6)
      if (kind === 'link') writer.uint32(58).bytes(bytesOf(link))
      // The major number of a device: of a plain file, it is nothing but a part of the digest that its content has.
      if (isKnownByTime && kind !== 'folder') writer.uint32(64).int64(timeMs)
      return Buffer.from(writer.ldelim().finish())
    },
  }
}

/** What a call is about: all of the context, or only the Dockerfile, or only what its patterns name, or only what says what is ignored. */
function wanted(call: Call, { entries, dockerfile }: BuildContext): readonly ContextEntry[] {
  const texts = (name: string) => call.metadata.get(name).map(String)
  const followed = texts('followpaths')
  const patterns = followed.join() === '.dockerignore' ? followed : texts('include-patterns')
  if (texts('dir-name')[0] === 'dockerfile') return [dockerfile]
  if (patterns.length === 0) return entries
  const named = new Set(patterns)
  const isAbove = (path: string) => [...named].some((name) => name.startsWith(`${path}/`))
  return entries.filter(({ path, kind }) => named.has(path) || (kind === 'folder' && isAbove(path)))
}

async function serveWhenPacked(call: Call, packed: PackingContext['packed'], wire: Wire): Promise<void> {
  call.on('error', () => {})
  // What comes meanwhile is kept by the stream until somebody listens.
  const context = await packed
  if (call.cancelled) return
  if (!context.ok) throw new Error(context.reason.message)
  await serve(call, context.value, wire)
}

async function serve(call: Call, context: BuildContext, wire: Wire): Promise<void> {
  const entries = wanted(call, context)
  const asked: number[] = []
  const { promise: done, resolve: finish } = Promise.withResolvers<void>()
  const idle = new Set<() => void>()
  let isOver = false
  const wake = () => {
    for (const one of idle) one()
    idle.clear()
  }
  const end = () => {
    isOver = true
    finish()
    wake()
  }
  call.on('error', end)
  call.on('cancelled', end)
  call.on('data', ({ type, id }) => {
    if (type === packet.request) asked.push(id)
    else end()
    wake()
  })
  const send = async (bytes: Buffer) => {
    if (!call.write(bytes)) await Promise.race([new Promise<void>((ready) => call.once('drain', ready)), done])
  }
  const answer = async () => {
    while (!isOver) {
      const id = asked.shift()
      const entry = id === undefined ? undefined : entries[id]
      if (id === undefined || !entry) {
        await new Promise<void>((resolve) => idle.add(resolve))
        continue
      }
      for await (const chunk of context.read(entry)) {
        if (isOver) return
        await send(wire.packet(packet.data, id, chunk))
      }
      await send(wire.packet(packet.data, id))
    }
  }
  const isKnownByTime = hasCacheMounts(context.text)
  for (const entry of entries) await send(wire.stat(entry, isKnownByTime))
  // A packet without a stat says that there are no more.
  await send(Buffer.alloc(0))
  await Promise.all(Array.from({ length: filesAtOnce }, answer))
  call.write(wire.packet(packet.end, 0))
  call.end()
}
