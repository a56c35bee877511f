import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { chmod, constants, copyFile, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { dirname, join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { FetchOrder } from '../fetch-order.ts'
import { checkCloneUrl } from '../url.ts'
import { askForDownloads, type Download } from './batch.ts'
import type { Pointer } from './pointers.ts'
import { ask, away, type LfsPlace } from './request.ts'

const mostObjects = 20_000
const askedAtOnce = 100
const fetchedAtOnce = 4
/** What no run used for so long is forgotten. */
const unusedMs = 7 * 24 * 3_600_000

/**
 * Puts the content of large files in the place of their pointers. It is fetched from the git host once, checked by its SHA-256, and kept
 * beside the mirror by that.
 * @returns refused with large_file_missing, clone_too_large, url_not_allowed, git_auth_failed, git_unavailable, git_redirected, disk_full or timeout
 */
export async function bringLargeFiles(
  order: FetchOrder,
  tree: string,
  pointers: readonly Pointer[],
): Promise<Outcome<void>> {
  const objects = new Map(pointers.map((pointer) => [pointer.oid, pointer]))
  const { maxMb, deadlineMs } = order.limits
  const bytes = [...objects.values()].reduce((sum, object) => sum + object.bytes, 0)
  if (objects.size > mostObjects) return refuse('clone_too_large', { limit: `${mostObjects} files of Git LFS` })
  if (pointers.reduce((sum, pointer) => sum + pointer.bytes, 0) > maxMb * 2 ** 20)
    return refuse('clone_too_large', { limitMb: maxMb })
  const kept = join(order.folder, `${order.repositoryId}.lfs`)
  const late = AbortSignal.timeout(deadlineMs)
  try {
    const missing: Pointer[] = []
    for (const object of objects.values()) if (!(await isKept(kept, object))) missing.push(object)
    if (missing.length > 0) {
      const signal = AbortSignal.any([order.signal, late])
      order.onLine?.(
        `fetching ${missing.length} of ${objects.size} Git LFS files (${Math.ceil(bytes / 2 ** 20)} MB in all)`,
      )
      const fetched = await fetchAll({ ...order, signal }, kept, missing)
      if (!fetched.ok) return fetched
      await forgetUnused(kept)
    }
    for (const pointer of pointers) await place(kept, pointer, tree)
    return done(undefined)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return refuse('disk_full', { where: 'the builder' })
    if (!late.aborted || order.signal.aborted) throw error
    return refuse('timeout', { step: 'Checkout', seconds: deadlineMs / 1000 })
  }
}

const pathOf = (kept: string, { oid }: Pointer) => join(kept, oid.slice(0, 2), oid)

async function isKept(kept: string, object: Pointer): Promise<boolean> {
  const path = pathOf(kept, object)
  const found = await stat(path).catch(() => undefined)
  if (found?.size !== object.bytes) return false
  // In use again.
  await utimes(path, new Date(), new Date())
  return true
}

async function fetchAll(order: FetchOrder, kept: string, missing: Pointer[]): Promise<Outcome<void>> {
  const checked = await checkCloneUrl(order.url, order)
  if (!checked.ok) return checked
  const { token, allowedOrigins, lookup, signal } = order
  const place: LfsPlace = {
    host: new URL(checked.value.url),
    allowedOrigins,
    signal,
    ...(token ? { token } : {}),
    ...(lookup ? { lookup } : {}),
  }
  for (let at = 0; at < missing.length; at += askedAtOnce) {
    const downloads = await askForDownloads(missing.slice(at, at + askedAtOnce), place)
    if (!downloads.ok) return downloads
    const waiting = [...downloads.value]
    let failed: Outcome<void> | undefined
    const work = async () => {
      for (let next = waiting.shift(); next && !failed; next = waiting.shift()) {
        const fetched = await fetchOne(next, kept, place)
        if (!fetched.ok) failed = fetched
      }
    }
    const ended = await Promise.allSettled(Array.from({ length: fetchedAtOnce }, work))
    for (const one of ended) if (one.status === 'rejected') throw one.reason
    if (failed) return failed
  }
  return done(undefined)
}

async function fetchOne({ pointer, url, headers }: Download, kept: string, place: LfsPlace): Promise<Outcome<void>> {
  const answer = await ask({ url, method: 'GET', headers }, place)
  if (!answer.ok) return answer
  const { statusCode } = answer.value
  if (statusCode !== 200) {
    answer.value.destroy()
    return refuse('large_file_missing', { path: pointer.file.path, detail: `${url.host} answers ${statusCode}` })
  }
  const path = pathOf(kept, pointer)
  const half = join(kept, `half-${randomUUID()}`)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  try {
    const isRight = await write(answer.value, half, pointer)
    if (!isRight) return away(url, `it sent other content for ${pointer.file.path} than the commit names`)
    await rename(half, path)
    return done(undefined)
  } catch (error) {
    place.signal.throwIfAborted()
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw error
    return away(url, `a Git LFS file broke off (${(error as NodeJS.ErrnoException).code ?? 'no answer'})`)
  } finally {
    await rm(half, { force: true })
  }
}

/** @returns false when it is not what the pointer names */
async function write(answer: IncomingMessage, file: string, { oid, bytes }: Pointer): Promise<boolean> {
  const hash = createHash('sha256')
  let size = 0
  const check = new Transform({
    transform(part: Buffer, _encoding, next) {
      size += part.length
      hash.update(part)
      // More than was asked for is not read to its end.
      next(null, size > bytes ? undefined : part)
      if (size > bytes) answer.destroy()
    },
  })
  await pipeline(answer, check, createWriteStream(file, { flags: 'wx', mode: 0o600 })).catch((error) => {
    if (size <= bytes) throw error
  })
  return size === bytes && hash.digest('hex') === oid
}

/** A file of its own: nothing that changes it reaches what is kept. */
async function place(kept: string, pointer: Pointer, tree: string): Promise<void> {
  const { path, mode } = pointer.file
  const to = join(tree, path)
  await rm(to, { force: true })
  await copyFile(pathOf(kept, pointer), to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  await chmod(to, mode === '100755' ? 0o755 : 0o644)
}

async function forgetUnused(kept: string): Promise<void> {
  for (const entry of await readdir(kept, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const atMs = (await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now()
    if (Date.now() - atMs > unusedMs) await rm(path, { force: true })
  }
}
