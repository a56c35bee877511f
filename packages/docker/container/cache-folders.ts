import { posix } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { pack } from 'tar-stream'
import { callDeadlineMs, type Engine, within } from '../engine/engine.ts'
import { copyOut } from './copy-out.ts'
import { type ContainerSpec, createContainer, type FolderOwner, workOptions } from './spec.ts'

/** How a folder stands in an image before anything is mounted there. */
export interface ImageFolder {
  path: string
  /** The image has something in it, which a volume would hide. */
  isFull: boolean
  /** Undefined: root. */
  owner?: FolderOwner
}
const lookMs = 60_000
const longestPasswd = 2 ** 20

/** Looks at folders of an image, in a container that is never started. */
export async function lookAtFolders(
  engine: Engine,
  spec: ContainerSpec,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<Outcome<ImageFolder[]>> {
  // An image without a command needs one, though it is not run.
  const order = workOptions(engine, { ...spec, entrypoint: ['true'] })
  const created = await createContainer(engine, spec.name, order, signal)
  if (!created.ok) return created
  const id = created.value
  try {
    const user = await userOf(engine, id, signal)
    const folders: ImageFolder[] = []
    for (const path of paths) {
      const entries = await countAt(engine, id, path, signal)
      const owner = user && { ...user, made: await missingAbove(engine, id, path, signal) }
      folders.push({ path, isFull: entries > 1, ...(owner ? { owner } : {}) })
    }
    return done(folders)
  } finally {
    const remove = () => engine.docker.getContainer(id).remove({ force: true, v: true })
    // What can't be removed now is found by its labels later.
    await within(callDeadlineMs, undefined, remove).catch(() => undefined)
  }
}

/** Gives the folder of a volume, in a container that was not started yet, to the user of its image. */
export async function giveFolder(engine: Engine, id: string, path: string, owner: FolderOwner): Promise<void> {
  const parts = posix.normalize(path).split('/').filter(Boolean)
  const above = parts.length - 1 - owner.made
  const tar = pack()
  for (let depth = above + 1; depth <= parts.length; depth++)
    tar.entry({
      name: `${parts.slice(above, depth).join('/')}/`,
      type: 'directory',
      mode: 0o755,
      uid: owner.uid,
      gid: owner.gid,
    })
  tar.finalize()
  const file = await buffer(tar as unknown as NodeJS.ReadableStream)
  const at = `/${parts.slice(0, above).join('/')}`
  await within(callDeadlineMs, undefined, () => engine.docker.getContainer(id).putArchive(file, { path: at }))
}

/** 0: there is nothing, 1: an empty folder or a file, 2: a folder with something in it. */
async function countAt(engine: Engine, id: string, path: string, signal: AbortSignal): Promise<number> {
  let entries = 0
  await copyOut(engine, { id, path, signal, deadlineMs: lookMs }, async () => {
    entries += 1
    return entries > 1 ? 'enough' : 'on'
  })
  return entries
}

async function missingAbove(engine: Engine, id: string, path: string, signal: AbortSignal): Promise<number> {
  let made = 0
  for (let at = posix.dirname(posix.normalize(path)); at !== '/'; at = posix.dirname(at)) {
    if ((await countAt(engine, id, at, signal)) > 0) break
    made += 1
  }
  return made
}

/** The user of the container by number, as the image's own passwd and group name it; undefined for root, and for one that it does not know. */
async function userOf(
  engine: Engine,
  id: string,
  signal: AbortSignal,
): Promise<{ uid: number; gid: number } | undefined> {
  const { Config } = await within(callDeadlineMs, signal, () => engine.docker.getContainer(id).inspect())
  const [user = '', group] = (Config.User ?? '').split(':')
  if (user === '' || user === '0' || user === 'root') return undefined
  const lines = async (path: string) =>
    (await readFile(engine, id, path, signal)).split('\n').map((line) => line.split(':'))
  const known = (await lines('/etc/passwd')).find(([name, , uid]) => name === user || uid === user)
  const uid = Number(known?.[2] ?? user)
  const found = group === undefined ? known?.[3] : (await lines('/etc/group')).find(([name]) => name === group)?.[2]
  const gid = Number(found ?? group ?? 0)
  return Number.isInteger(uid) && Number.isInteger(gid) && uid > 0 ? { uid, gid } : undefined
}

async function readFile(engine: Engine, id: string, path: string, signal: AbortSignal): Promise<string> {
  let content = ''
  await copyOut(engine, { id, path, signal, deadlineMs: lookMs }, async (entry) => {
    if (entry.kind === 'file' && entry.size <= longestPasswd) content = await text(entry.content)
    return 'enough'
  })
  return content
}
