/** A piece of a container's output. */
export interface Output {
  stream: 'out' | 'err'
  chunk: Buffer
}

/**
 * Takes apart the engine's stream of a container without a terminal: frames of one byte for the stream, three of nothing and
 * four for the length, then the payload (Docker Engine API, "Attach to a container"). Pieces are passed on as they come; who reads slowly
 * holds the container back, which the client library's own demultiplexer can't do.
 */
export async function* readOutput(stream: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Output> {
  let head = Buffer.alloc(0)
  let left = 0
  let name: Output['stream'] = 'out'
  for await (const chunk of stream) {
    let rest = chunk
    while (rest.length > 0) {
      if (left === 0) {
        const taken = rest.subarray(0, 8 - head.length)
        head = Buffer.concat([head, taken])
        rest = rest.subarray(taken.length)
        if (head.length < 8) break
        name = head[0] === 2 ? 'err' : 'out'
        left = head.readUInt32BE(4)
        head = Buffer.alloc(0)
        continue
      }
      const payload = rest.subarray(0, left)
      left -= payload.length
      rest = rest.subarray(payload.length)
      yield { stream: name, chunk: payload }
    }
  }
}
