import { cpSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { buildImage } from '@taxiway/docker/build/build.ts'
import { packContext } from '@taxiway/docker/build/context.ts'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import Docker from 'dockerode'
import { findProgram, runProgram } from '../../deploy/local/process.ts'
import { ensureDebianImage, isInEngine } from './debian-images.ts'

const root = resolve(import.meta.dirname, '../..')
const officialBase = 'node:24-bookworm-slim'
const dockerHost = process.env.DOCKER_HOST ?? ''
const docker = new Docker({ socketPath: dockerHost.replace(/^unix:\/\//, '') })

/** Is the image in the engine, or can it be pulled? */
async function hasImage(name: string): Promise<boolean> {
  if (await isInEngine(docker, name)) return true
  const pulled = docker
    .pull(name, { abortSignal: AbortSignal.timeout(120_000) })
    .then((stream) => new Promise<void>((done) => docker.modem.followProgress(stream, () => done())))
  await pulled.catch(() => undefined)
  return isInEngine(docker, name)
}

/** The usual base; where no registry can be reached, one like it from Debian's packages, this very Node, and the machine's npm. */
async function ensureBase(): Promise<string> {
  if (await hasImage(officialBase)) return officialBase
  const own = `taxiway-local/node:${process.version.slice(1)}`
  await ensureDebianImage(docker, {
    names: [own],
    packages: ['git', 'ca-certificates', 'iptables'],
    changes: ['ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt'],
    finish: { key: `node ${process.version}`, tree: addNode },
  })
  return own
}

async function addNode(tree: string): Promise<void> {
  const npm = dirname(dirname((await runProgram('realpath', [findProgram('npm') ?? 'npm'])).trim()))
  const [bin, modules] = [join(tree, 'usr/local/bin'), join(tree, 'usr/local/lib/node_modules')]
  cpSync(process.execPath, join(bin, 'node'))
  cpSync(npm, join(modules, 'npm'), { recursive: true })
  await runProgram('ln', ['-s', '../lib/node_modules/npm/bin/npm-cli.js', join(bin, 'npm')])
  // What this machine trusts, so that npm works from behind its proxy.
  cpSync('/etc/ssl/certs/ca-certificates.crt', join(tree, 'etc/ssl/certs/ca-certificates.crt'))
}

/** Builds the image that people run, from the usual base or one like it, under this name. */
export async function buildShippedImage(tag: string): Promise<void> {
  const base = await ensureBase()
  const context = await packContext({
    folder: root,
    subfolder: '.',
    dockerfile: 'deploy/image/Dockerfile',
    maxMb: 50,
    maxFiles: 5000,
  })
  if (!context.ok) throw new Error(context.reason.message)
  const lines: string[] = []
  const built = await buildImage(connectEngine({ dockerHost }), {
    image: 'taxiway',
    context: context.value,
    tags: [tag],
    cacheMounts: 'shipped-image',
    args: { BASE: base },
    signal: new AbortController().signal,
    deadlineMs: 600_000,
    onLine: ({ text }) => void lines.push(text),
  })
  if (!built.ok) throw new Error(`${built.reason.message}\n${lines.slice(-20).join('\n')}`)
}
