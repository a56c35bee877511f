import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { type EngineEvent, readEvents } from './events.ts'

async function read(chunks: Buffer[], complete?: boolean): Promise<EngineEvent[]> {
  const stream = Object.assign(Readable.from(chunks), complete === undefined ? {} : { complete })
  const events: EngineEvent[] = []
  for await (const event of readEvents(stream)) events.push(event)
  return events
}

test('characters that are split between chunks stay whole', async () => {
  const bytes = Buffer.from('{"stream":"✓✓✓"}\n{"status":"é"}\n')
  const chunks = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))
  expect(await read(chunks, true)).toEqual([{ stream: '✓✓✓' }, { status: 'é' }])
})

test('a last event without a line end is read', async () => {
  expect(await read([Buffer.from('{"error":"x"}')], true)).toEqual([{ error: 'x' }])
})

test('an answer that ends early is an error, not an end', async () => {
  await expect(read([Buffer.from('{"stream":"a"}\n')], false)).rejects.toThrow('ended early')
})
