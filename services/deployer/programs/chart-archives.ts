import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { readArchive } from '@taxiway/docker/container/read-archive.ts'
import { kindOf } from './copy.ts'

const maxBytes = 64 * 2 ** 20
const mostArchives = 50

/**
 * Unpacks the charts that a chart depends on (`charts/redis-17.0.1.tgz`) in their place, and those within them, so that all of them is
 * seen. Helm takes a folder for the archive of any name. @returns what is wrong with one
 */
export async function unpackCharts(chart: string): Promise<string | undefined> {
  const open = [chart]
  let left = mostArchives
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const folder = join(next, 'charts')
    if ((await kindOf(folder)) !== 'folder') continue
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) open.push(path)
      if (!entry.isFile() || !entry.name.endsWith('.tgz')) continue
      left -= 1
      const problem = left < 0 ? `is one of more than ${mostArchives}` : await unpack(path)
      if (problem) return `${relative(chart, path)} ${problem}`
      open.push(unpacked(path))
    }
  }
  return undefined
}

const unpacked = (archive: string): string => archive.slice(0, -'.tgz'.length)

async function unpack(archive: string): Promise<string | undefined> {
  const folder = unpacked(archive)
  if (await kindOf(folder)) return 'is there as a folder too'
  try {
    for (const { path, content } of await readArchive(await readFile(archive), { maxBytes })) {
      const [, ...parts] = path.split('/').filter((part) => part !== '' && part !== '.')
      if (path.startsWith('/') || parts.includes('..') || /[\\\0]/.test(path))
        return `holds ${path.slice(0, 200)}, which leads out of it`
      if (parts.length === 0) continue
      const file = join(folder, ...parts)
      await mkdir(dirname(file), { recursive: true, mode: 0o700 })
      await writeFile(file, content)
    }
  } catch (error) {
    return (error as Error).message
  }
  await rm(archive)
  return undefined
}
