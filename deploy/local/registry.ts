import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { installPackages } from './apt.ts'
import { foundPart, type LocalOptions, type LocalPart } from './part.ts'
import { findProgram, freePort, startDaemon, waitUntil } from './process.ts'

/** The Debian packages behind startRegistry. */
export const registryPackages = ['docker-registry']

/** Does an OCI registry answer there, with or without asking for a password? */
async function registryAnswers(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/v2/`, { signal: AbortSignal.timeout(3000) }).catch(() => undefined)
  return answer?.status === 200 || answer?.status === 401
}

/** The registry of TAXIWAY_REGISTRY, or undefined. */
export async function findRegistry(): Promise<string | undefined> {
  const given = process.env.TAXIWAY_REGISTRY
  if (!given) return undefined
  const host = given.split('/')[0] ?? given
  if ((await registryAnswers(`https://${host}`)) || (await registryAnswers(`http://${host}`))) return given
  throw new Error(`TAXIWAY_REGISTRY is ${given}, but no registry answers there: start it, or unset TAXIWAY_REGISTRY.`)
}

/** Debian's registry reads YAML, and JSON is YAML. Deleting is allowed, so that old images can be swept. */
function configuration(port: number, storage: string): string {
  return JSON.stringify({
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: storage },
      delete: { enabled: true },
      cache: { blobdescriptor: 'inmemory' },
    },
    http: { addr: `127.0.0.1:${port}` },
  })
}

/** Finds a registry, or starts Debian's on a loopback port; the same port again in the same folder, as image names hold it. */
export async function startRegistry(o: LocalOptions): Promise<LocalPart> {
  const found = await findRegistry()
  if (found) return foundPart('registry', found)
  const installed = findProgram('docker-registry') ? false : await installPackages(registryPackages, o.say)
  const command = findProgram('docker-registry')
  if (!command) throw new Error('No image registry: install docker-registry, or set TAXIWAY_REGISTRY=host:port.')
  const storage = join(resolve(o.folder), 'registry')
  mkdirSync(storage, { recursive: true })
  const portFile = join(storage, 'port')
  const port = await freePort(existsSync(portFile) ? Number(readFileSync(portFile, 'utf8')) || 0 : 0)
  writeFileSync(portFile, String(port))
  const configFile = join(storage, 'config.json')
  writeFileSync(configFile, configuration(port, join(storage, 'images')))
  const env = { OTEL_TRACES_EXPORTER: 'none' }
  const daemon = await startDaemon({ name: 'registry', command, args: ['serve', configFile], folder: o.folder, env })
  const address = `127.0.0.1:${port}`
  await waitUntil('Registry', 20, () => registryAnswers(`http://${address}`), daemon).catch(async (error) => {
    await daemon.stop()
    throw error
  })
  return {
    name: 'registry',
    how: installed ? 'installed and started' : 'started',
    address,
    stop: () => daemon.stop(),
    died: daemon.died,
  }
}
