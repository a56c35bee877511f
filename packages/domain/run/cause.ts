export const planEvents = ['push', 'tag', 'pull_request', 'manual'] as const
/** What starts a run. */
export type PlanEvent = (typeof planEvents)[number]

/** Runs that build nothing: a person gives an environment what an earlier run made. */
export const rollOutEvents = ['promote', 'deploy', 'rollback'] as const
export type RollOutEvent = (typeof rollOutEvents)[number]
