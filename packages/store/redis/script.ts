import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { Redis } from './connection.ts'

/** One atomic step: a Lua file, called with its keys and arguments. */
export type Script = (keys: string[], args: (string | number | Buffer)[]) => Promise<unknown>

/** Loads a Lua file; it is sent once and called by its hash after that. */
export function loadScript(redis: Redis, file: URL): Script {
  const name = basename(file.pathname, '.lua')
  const lua = readFileSync(file, 'utf8')
  if (!(name in redis)) redis.defineCommand(name, { lua })
  const call = (
    redis as unknown as Record<string, (count: number, ...rest: (string | number | Buffer)[]) => Promise<unknown>>
  )[name]
  if (!call) throw new Error(`no script ${name}`)
  return (keys, args) => call.call(redis, keys.length, ...keys, ...args)
}
