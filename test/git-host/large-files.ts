import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Large files of a repository: Git LFS' batch API and its transfer `basic` (github.com/git-lfs/git-lfs docs/api), for reading. */
export function makeLargeFiles() {
  const objects = new Map<string, Buffer>()
  return {
    /** Every request, as `POST batch` or `GET <oid>`. */
    requests: [] as string[],
    /** What each object is said to be at, if not at the host itself. */
    elsewhere: undefined as { href(oid: string): string; header?: Record<string, string> } | undefined,
    /** Keeps a file. @returns the pointer that a commit has in its place */
    put(content: Buffer | string): string {
      const bytes = Buffer.from(content)
      const oid = createHash('sha256').update(bytes).digest('hex')
      objects.set(oid, bytes)
      return `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${bytes.length}\n`
    },
    /** Answers what comes to `<repository>.git/info/lfs/…`. */
    async serve(request: IncomingMessage, response: ServerResponse, rest: string): Promise<void> {
      const what = rest.replace('/info/lfs/objects/', '')
      this.requests.push(`${request.method} ${what}`)
      if (request.method === 'GET') {
        const content = objects.get(what)
        return void response.writeHead(content ? 200 : 404).end(content)
      }
      const parts: Buffer[] = []
      for await (const part of request) parts.push(part)
      const asked = JSON.parse(Buffer.concat(parts).toString())
      const base = `http://${request.headers.host}${request.url?.replace(/batch$/, '')}`
      const answers = (asked.objects as { oid: string; size: number }[]).map(({ oid, size }) =>
        objects.has(oid)
          ? {
              oid,
              size,
              actions: {
                download: { ...this.elsewhere, href: this.elsewhere ? this.elsewhere.href(oid) : `${base}${oid}` },
              },
            }
          : { oid, size, error: { code: 404, message: 'Object does not exist' } },
      )
      response
        .writeHead(200, { 'content-type': 'application/vnd.git-lfs+json' })
        .end(JSON.stringify({ transfer: 'basic', objects: answers, hash_algo: 'sha256' }))
    },
  }
}
