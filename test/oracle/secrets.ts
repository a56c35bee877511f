import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { label } from '@taxiway/docker/engine/labels.ts'
import type Docker from 'dockerode'
import type { Redis } from 'ioredis'
import { isAbsent, keysLike, type Look } from './observed.ts'

/** 7. No secret value is in any log, key, label, status or image. */
export async function secretsAreHidden(look: Look): Promise<string[]> {
  const secrets = look.secrets.filter((value) => value.length > 5)
  if (secrets.length === 0) return []
  const forms = secrets.map((value) => [
    value,
    JSON.stringify(value).slice(1, -1),
    encodeURIComponent(value),
    Buffer.from(value).toString('base64'),
    Buffer.from(value).toString('hex'),
  ])
  const wrong: string[] = []
  const scan = (where: string, text: string) => {
    const found = forms.findIndex((all) => all.some((form) => text.includes(form)))
    if (found >= 0)
      wrong.push(`secret ${found + 1} of ${forms.length} (${(secrets[found] as string).slice(0, 3)}…) is in ${where}`)
  }
  for (const file of readdirSync(look.taxiway.folder).filter((name) => name.endsWith('.log')))
    scan(`the process log ${file}`, readFileSync(join(look.taxiway.folder, file), 'utf8'))
  for (const [key, text] of await valuesOf(look.redis)) scan(`the key ${key}`, `${key}\n${text}`)
  if (!isAbsent(look.host))
    for (const { name, sha } of commitsOf(look))
      for (const status of look.host.statuses(name, sha)) scan(`a status of ${sha.slice(0, 7)}`, JSON.stringify(status))
  if (!isAbsent(look.engine)) for (const [where, text] of await marksOf(look, look.engine)) scan(where, text)
  return wrong
}

const commitsOf = ({ runs, repositories }: Look) =>
  [...new Map(runs.map(({ repo, sha }) => [`${repo} ${sha}`, { repo, sha }])).values()].flatMap(({ repo, sha }) => {
    const name = repositories.find(({ id }) => id === repo)?.name
    return name ? [{ name, sha }] : []
  })

/** Every key with all that it holds. */
async function valuesOf(redis: Redis): Promise<[string, string][]> {
  const keys = await keysLike(redis, '*')
  const read = async (key: string) => {
    switch (await redis.type(key)) {
      case 'hash':
        return redis.hgetall(key)
      case 'set':
        return redis.smembers(key)
      case 'zset':
        return redis.zrange(key, '0', '-1')
      case 'list':
        return redis.lrange(key, 0, -1)
      case 'stream':
        return redis.xrange(key, '-', '+')
      default:
        return redis.get(key)
    }
  }
  return Promise.all(keys.map(async (key): Promise<[string, string]> => [key, flat(await read(key))]))
}

/** All texts in a value, as they are. */
const flat = (value: unknown): string =>
  typeof value === 'object' && value !== null
    ? Object.entries(value)
        .map(([name, inner]) => `${name}\n${flat(inner)}`)
        .join('\n')
    : String(value)

/** Labels of all that the engine has of ours, and configuration and history of the images of runs. */
async function marksOf({ runs }: Look, docker: Docker): Promise<[string, string][]> {
  const filters = { label: [label.role] }
  const [containers, networks, volumes] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listNetworks({ filters }),
    docker.listVolumes({ filters }),
  ])
  const marks: [string, string][] = [
    ...containers.map(({ Names, Labels }): [string, string] => [
      `the labels of container ${Names}`,
      JSON.stringify(Labels),
    ]),
    ...networks.map(({ Name, Labels }): [string, string] => [`the labels of network ${Name}`, JSON.stringify(Labels)]),
    ...(volumes.Volumes ?? []).map(({ Name, Labels }): [string, string] => [
      `the labels of volume ${Name}`,
      JSON.stringify(Labels),
    ]),
  ]
  const references = new Set(
    runs.flatMap(({ images }) => images.map(({ reference }) => reference ?? '')).filter(Boolean),
  )
  for (const reference of references) {
    const image = docker.getImage(reference)
    // Gone from the engine by now, as it should be.
    const found = await Promise.all([image.inspect(), image.history()]).catch(() => undefined)
    if (found) marks.push([`the image ${reference}`, JSON.stringify(found)])
  }
  return marks
}
