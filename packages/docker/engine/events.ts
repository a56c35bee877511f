import { StringDecoder } from 'node:string_decoder'

/** One event of the engine's builds, pulls and pushes (Docker Engine API, "ImageCreate", "ImageBuild", "ImagePush"). */
export interface EngineEvent {
  id?: string
  aux?: string | { ID?: string; Tag?: string; Digest?: string; Size?: number }
  stream?: string
  status?: string
  error?: string
  errorDetail?: { message?: string; code?: number }
}

const maxEventBytes = 16 * 1024 * 1024

/**
 * Reads newline-delimited JSON. Unlike the client library's own reader it keeps characters whole that are split between
 * chunks, and throws when the answer ends early. An event with `error` is the reader's to judge: the status is 200 then.
 */
export async function* readEvents(stream: AsyncIterable<Buffer> & { complete?: boolean }): AsyncGenerator<EngineEvent> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + decoder.write(chunk)).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > maxEventBytes)
      throw new Error(`an event of the Docker engine is larger than ${maxEventBytes} bytes`)
    for (const line of lines) if (line.trim()) yield JSON.parse(line) as EngineEvent
  }
  if (stream.complete === false) throw new Error('docker stream ended early')
  if (rest.trim()) yield JSON.parse(rest) as EngineEvent
}
