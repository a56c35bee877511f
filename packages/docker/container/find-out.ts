import { posix } from 'node:path'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { Engine } from '../engine/engine.ts'
import { type CopiedEntry, copyOut } from './copy-out.ts'

/** Is it a glob, and not a path as it stands? */
export const isGlob = (path: string): boolean => /[*?[{]/.test(path)

/** The folder that a glob looks into: all before its first part that is a pattern. */
export function baseOf(glob: string): string {
  const parts = posix.normalize(glob).split('/')
  const first = parts.findIndex(isGlob)
  return parts.slice(0, first === -1 ? parts.length : first).join('/') || '/'
}

/**
 * Goes through what matches in a container that has ended, in the order of its folders.
 * @param matches the glob, made by who knows globs
 */
export const copyMatching = (
  engine: Engine,
  order: { id: string; glob: string; matches(path: string): boolean; signal: AbortSignal; deadlineMs: number },
  onEntry: (path: string, entry: CopiedEntry) => Promise<'on' | 'enough'>,
): Promise<Outcome<boolean>> => {
  const base = baseOf(order.glob)
  return copyOut(engine, { ...order, path: base }, async (entry) => {
    const path = posix.join(base, entry.path)
    return order.matches(path) ? onEntry(path, entry) : 'on'
  })
}

/** Files that match, and folders where the glob does not cross them anyway; links and special files are left out. */
export async function findOut(
  engine: Engine,
  order: Parameters<typeof copyMatching>[1],
  most: number,
): Promise<Outcome<string[]>> {
  const found: string[] = []
  const copied = await copyMatching(engine, order, async (path, { kind }) => {
    if (kind === 'file' || (kind === 'folder' && !order.glob.includes('**'))) found.push(path)
    return found.length >= most ? 'enough' : 'on'
  })
  return copied.ok ? done(found) : copied
}
