import { existsSync, readFileSync } from 'node:fs'
import { installPackages } from './apt.ts'
import { askEngine } from './engine-api.ts'
import { findProgram, runProgram } from './process.ts'
import { type TarEntry, tarArchive } from './tar.ts'

/** The Debian packages behind ensureBaseImages. */
export const baseImagePackages = ['busybox-static']

/** The image that holds a pod's network on the local Kubernetes. */
export const pauseImage = 'taxiway-local/pause:2'

/** What the tests' and the samples' images are made from. */
export const busyboxImage = 'busybox:stable'

interface BaseImageOptions {
  dockerHost: string
  say: (line: string) => void
}

/** All that ensureBaseImages puts into an engine. */
export const baseImages = [busyboxImage, pauseImage] as const

/** Is the image in the engine? */
export async function hasImage(dockerHost: string, image: string): Promise<boolean> {
  return (await askEngine(dockerHost, 'GET', `/images/${image}/json`)).status === 200
}

/** Pulls within ten seconds, or not at all: without a way out to a registry, waiting longer does not help. */
async function pull(dockerHost: string, image: string): Promise<boolean> {
  const [name, tag] = image.split(':')
  const path = `/images/create?fromImage=${name}&tag=${tag}`
  await askEngine(dockerHost, 'POST', path, { seconds: 10 }).catch(() => undefined)
  return hasImage(dockerHost, image)
}

/** The file system of a busybox image, from the statically linked program of Debian's busybox-static. */
async function busyboxTree(say: BaseImageOptions['say']): Promise<TarEntry[]> {
  const isStatic = async () =>
    existsSync('/bin/busybox') && (await runProgram('/bin/busybox', ['--list'])).split('\n').includes('httpd')
  if (!(await isStatic())) await installPackages(baseImagePackages, say)
  const program = findProgram('busybox') ?? '/bin/busybox'
  const applets = (await runProgram(program, ['--list'])).split('\n').filter((name) => name && name !== 'busybox')
  const folders = [
    'bin',
    'dev',
    'etc',
    'home',
    'proc',
    'root',
    'sbin',
    'sys',
    'usr',
    'usr/bin',
    'usr/sbin',
    'var',
    'var/www',
  ]
  const passwd = 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n'
  const group = 'root:x:0:\nnogroup:x:65534:\nnobody:x:65534:\n'
  return [
    ...folders.map((path): TarEntry => ({ path: `${path}/`, kind: 'folder' })),
    { path: 'tmp/', kind: 'folder', mode: 0o1777 },
    { path: 'etc/passwd', kind: 'file', content: Buffer.from(passwd) },
    { path: 'etc/group', kind: 'file', content: Buffer.from(group) },
    { path: 'bin/busybox', kind: 'file', content: readFileSync(program), mode: 0o755 },
    { path: 'usr/bin/env', kind: 'link', to: '/bin/busybox' },
    ...applets.map((name): TarEntry => ({ path: `bin/${name}`, kind: 'link', to: 'busybox' })),
  ]
}

async function importImage(dockerHost: string, image: string, tree: TarEntry[], changes: string[]): Promise<void> {
  const [repo, tag] = image.split(':')
  const query = new URLSearchParams({ fromSrc: '-', repo: repo ?? '', tag: tag ?? '' })
  for (const change of changes) query.append('changes', change)
  const answer = await askEngine(dockerHost, 'POST', `/images/create?${query}`, { body: tarArchive(tree), seconds: 60 })
  if (answer.status !== 200 || !(await hasImage(dockerHost, image)))
    throw new Error(`The engine did not take the image ${image}: ${answer.status} ${answer.text.slice(0, 300)}`)
}

/** Puts `busybox:stable` into the engine (pulled, or else made from Debian's busybox), and the local cluster's pause image. */
export async function ensureBaseImages({ dockerHost, say }: BaseImageOptions): Promise<void> {
  const path = 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  if (!(await hasImage(dockerHost, busyboxImage)) && !(await pull(dockerHost, busyboxImage))) {
    say(`${busyboxImage} cannot be pulled: making it from Debian's busybox-static`)
    await importImage(dockerHost, busyboxImage, await busyboxTree(say), [path, 'CMD ["sh"]'])
  }
  if (!(await hasImage(dockerHost, pauseImage)))
    await importImage(dockerHost, pauseImage, await busyboxTree(say), [
      path,
      // The first process of a container hears no SIGTERM that it does not ask for; each pod would go ten seconds later.
      `ENTRYPOINT ["sh","-c","trap 'exit 0' TERM; sleep 2147483647 & wait"]`,
    ])
}
