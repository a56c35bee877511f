import { expect, test } from 'vitest'
import { readOutput } from './output.ts'

const frame = (stream: number, text: string) => {
  const head = Buffer.alloc(8)
  head[0] = stream
  head.writeUInt32BE(Buffer.byteLength(text), 4)
  return Buffer.concat([head, Buffer.from(text)])
}

test.each([1, 3, 7, 8, 9, 1000])('frames are taken apart however they are cut, here every %i bytes', async (size) => {
  const bytes = Buffer.concat([frame(1, 'eins ✓\n'), frame(2, ''), frame(2, 'two\n'), frame(1, 'drei')])
  const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  )
  const seen: Record<'out' | 'err', Buffer[]> = { out: [], err: [] }
  for await (const { stream, chunk } of readOutput(chunks)) seen[stream].push(chunk)
  expect(Buffer.concat(seen.out).toString()).toBe('eins ✓\ndrei')
  expect(Buffer.concat(seen.err).toString()).toBe('two\n')
})
