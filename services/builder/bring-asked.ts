import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plan } from '@taxiway/domain/plan/plan.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { FetchOrder, Mirror } from '@taxiway/git/fetch-order.ts'
import { bringHistory } from '@taxiway/git/history/history.ts'
import { bringLargeFiles } from '@taxiway/git/lfs/fetch-objects.ts'
import { findPointers } from '@taxiway/git/lfs/pointers.ts'
import type { TreeFile } from '@taxiway/git/tree.ts'

/** Files and what the plan asks for besides them. */
export interface Asked {
  order: FetchOrder
  mirror: Mirror
  folder: string
  plan: Plan
  files: TreeFile[]
}

const largeFilesMs = 30 * 60_000

/** Brings what the plan asks for besides the files of the commit. @returns the files, with what they hold now */
export async function bringAsked({ order, mirror, folder, plan, files }: Asked): Promise<Outcome<TreeFile[]>> {
  const { history, lfs } = plan.ignored ? {} : (plan.checkout ?? {})
  // What an earlier run had goes.
  await rm(join(folder, '.git'), { recursive: true, force: true })
  const pointers = lfs ? await findPointers(mirror, files, order.signal) : []
  if (history) {
    const replaced = pointers.map(({ file }) => file.path)
    const brought = await bringHistory(order, folder, { ...history, replaced })
    if (!brought.ok) return brought
    order.onLine?.(`.git holds ${brought.value.commits} commit(s) and ${brought.value.tags} tag(s)`)
  }
  if (!lfs) return done(files)
  const limits = { ...order.limits, deadlineMs: largeFilesMs }
  const brought = await bringLargeFiles({ ...order, limits }, folder, pointers)
  if (!brought.ok) return brought
  const large = new Map(pointers.map(({ file, oid, bytes }) => [file.path, { ...file, id: `lfs:${oid}`, bytes }]))
  return done(files.map((file) => large.get(file.path) ?? file))
}
