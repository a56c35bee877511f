import type { GitHost } from './git-host.ts'
import { github } from './github.ts'

/** The kinds of git hosts there are, by the name in the webhook's path. */
export const hosts = { github } satisfies Record<string, GitHost>
