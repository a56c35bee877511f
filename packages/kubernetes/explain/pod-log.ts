import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster, Wait } from '../cluster/call.ts'

const tailLines = 20
/** What a log's last lines may come to; the server cuts the end off, so this is more than they ever should. */
const limitBytes = 256 * 1024
/** A container's end may be told before the last that it printed is written. */
const writtenMs = 500

/**
 * The last lines of a container that are not empty, oldest first: of the one before its restart, or of this one, and of the
 * other where that has said nothing (it may have restarted just now); where both have, asked once more a moment later. None when it can't be read.
 */
export async function lastLines(
  cluster: Cluster,
  { namespace, pod, container, previous }: { namespace: string; pod: string; container?: string; previous: boolean },
  wait: Wait,
): Promise<string[]> {
  const places = previous ? ['true', 'false'] : ['false', 'true']
  for (const [index, before] of [...places, ...places].entries()) {
    if (index === places.length) await sleep(writtenMs, undefined, { signal: wait.signal })
    const answer = await cluster.call<string>(
      {
        method: 'GET',
        path: `/api/v1/namespaces/${namespace}/pods/${pod}/log`,
        query: {
          ...(container ? { container } : {}),
          previous: before,
          tailLines: String(tailLines),
          limitBytes: String(limitBytes),
        },
        may403: true,
      },
      wait,
    )
    if (!answer.ok) return []
    if (answer.value.status !== 200 || typeof answer.value.body !== 'string') continue
    const lines = linesOf(answer.value.body)
    if (lines.length > 0) return lines
  }
  return []
}

/** A node's own words in the place of a log that it can't find: it answers 200 all the same. */
const noLog =
  /^(failed to try resolving symlinks in path "|unable to retrieve container logs for \w+:\/\/|failed to (open|watch) (log )?file "\/var\/log\/|rpc error: code = \w+ desc = .*(no such container|not found))/i

/** The lines of a log that say something. */
export const linesOf = (log: string): string[] =>
  log
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '' && !noLog.test(line))
