import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Where a demo has been: written before anything is made there, so that the next demo can take away what this one left if it is
 * killed. Everything that it makes bears its id or its installation.
 */
export interface Mark {
  id: string
  /** What its Taxiway labels its work in the engine with. */
  installation: string
  dockerHost?: string
  /** Names of base images that it brings into an engine that was there before. */
  baseImages?: string[]
  /** The sample repository, by which releases in the engine are labelled. */
  repository?: string
  /** A Redis that was there before, of which it took a database. */
  redis?: string
  /** A registry that was there before. */
  registry?: string
  /** Of a cluster that was there before. */
  kubeconfig?: string
}

/** An id that nobody has: it is in the names of namespaces, images and databases. */
export const newId = (): string => randomBytes(4).toString('hex')

/** Writes a mark down; a kill leaves the old one or the new one. */
export function saveMark(folder: string, mark: Mark): void {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${mark.id}.json`)
  writeFileSync(`${file}.new`, JSON.stringify(mark), { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

/** The marks of demos that did not get to their end. */
export const readMarks = (folder: string): Mark[] => {
  mkdirSync(folder, { recursive: true })
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Mark)
}

/** Forgets a demo of which nothing is left. */
export const removeMark = (folder: string, { id }: Mark): void => rmSync(join(folder, `${id}.json`), { force: true })
