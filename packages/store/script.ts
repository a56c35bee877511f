import { readFileSync } from 'node:fs'
import type { Redis } from './connection.ts'

/** One atomic step: the named file under lua/, called with its keys and arguments. */
export type Script = (keys: string[], args: (string | number | Buffer)[]) => Promise<unknown>

/** Loads lua/<name>.lua; it is sent once and called by its hash after that. */
export function loadScript(redis: Redis, name: string): Script {
  const lua = readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8')
  if (!(name in redis)) redis.defineCommand(name, { lua })
  const call = (
    redis as unknown as Record<string, (count: number, ...rest: (string | number | Buffer)[]) => Promise<unknown>>
  )[name]
  if (!call) throw new Error(`no script ${name}`)
  return (keys, args) => call.call(redis, keys.length, ...keys, ...args)
}
