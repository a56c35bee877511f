import type { GitHost } from './git-host.ts'
import { github } from './github.ts'

const known = { github } satisfies Record<string, GitHost>

/** The kinds of git hosts there are, by the name in the webhook's path; without a prototype, so `constructor` is none. */
export const hosts: Readonly<typeof known> = Object.assign(Object.create(null), known)
