import type { IncomingMessage } from 'node:http'
import { done, type Outcome, oneLine, refuse } from '@taxiway/domain/reason.ts'
import type { Pointer } from './pointers.ts'
import { ask, away, type LfsPlace } from './request.ts'

/** Where an object is to be had, and the headers that the host wants to see there. */
export interface Download {
  pointer: Pointer
  url: URL
  headers: Record<string, string>
}

const mediaType = 'application/vnd.git-lfs+json'
const mostAnswerBytes = 4 * 2 ** 20
const mostHeaders = 30
/** What is ours to say of a request. */
const ownHeaders = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'upgrade', 'expect'])

/**
 * Asks the git host where objects are (github.com/git-lfs/git-lfs docs/api/batch.md, transfer `basic`). What the repository says of other servers
 * (`.lfsconfig`) is not read.
 */
export async function askForDownloads(pointers: readonly Pointer[], place: LfsPlace): Promise<Outcome<Download[]>> {
  const path = place.host.pathname.replace(/\/+$/, '').replace(/(\.git)?$/, '.git/info/lfs/objects/batch')
  const url = new URL(path, place.host)
  const answer = await ask(
    {
      url,
      method: 'POST',
      headers: { accept: mediaType, 'content-type': mediaType },
      body: JSON.stringify({
        operation: 'download',
        transfers: ['basic'],
        hash_algo: 'sha256',
        objects: pointers.map(({ oid, bytes }) => ({ oid, size: bytes })),
      }),
    },
    place,
  )
  if (!answer.ok) return answer
  const { statusCode } = answer.value
  const [first] = pointers
  if (statusCode !== 200) {
    answer.value.destroy()
    return refuse('large_file_missing', { path: first?.file.path ?? '', detail: `the git host answers ${statusCode}` })
  }
  const told = await readJson(answer.value).catch(() => undefined)
  const objects = fieldOf(told, 'objects')
  if (!Array.isArray(objects)) return away(url, 'its answer is not that of Git LFS')
  const byOid = new Map(objects.map((object) => [fieldOf(object, 'oid'), object as unknown]))
  const downloads: Download[] = []
  for (const pointer of pointers) {
    const download = readDownload(pointer, byOid.get(pointer.oid), url)
    if (!download.ok) return download
    downloads.push(download.value)
  }
  return done(downloads)
}

/** What the host says of one object. */
export function readDownload(pointer: Pointer, object: unknown, at: URL): Outcome<Download> {
  const error = fieldOf(object, 'error')
  const code = Number(fieldOf(error, 'code'))
  const words = oneLine(String(fieldOf(error, 'message') ?? 'the git host does not have it'), 200)
  if (code === 429 || code >= 500) return away(at, words)
  if (error) return refuse('large_file_missing', { path: pointer.file.path, detail: words })
  const action = fieldOf(fieldOf(object, 'actions'), 'download')
  const href = fieldOf(action, 'href')
  const url = typeof href === 'string' ? URL.parse(href, at.href) : null
  if (!url) return refuse('large_file_missing', { path: pointer.file.path, detail: words })
  const header = fieldOf(action, 'header')
  const named = typeof header === 'object' && header !== null ? Object.entries(header).slice(0, mostHeaders) : []
  const headers = named.flatMap(([name, value]) =>
    typeof value === 'string' && isHeader(name, value) ? [[name.toLowerCase(), value]] : [],
  )
  return done({ pointer, url, headers: Object.fromEntries(headers) })
}

const isHeader = (name: string, value: string): boolean =>
  /^[A-Za-z0-9-]{1,100}$/.test(name) &&
  /^[\x20-\x7e]{0,8000}$/.test(value) &&
  !ownHeaders.has(name.toLowerCase()) &&
  !name.toLowerCase().startsWith('proxy-')

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined

async function readJson(answer: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of answer) {
    bytes += part.length
    if (bytes > mostAnswerBytes) throw new Error('too long')
    parts.push(part)
  }
  return JSON.parse(Buffer.concat(parts).toString())
}
