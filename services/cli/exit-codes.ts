/** How a command ends; `again` says nothing about the work (EX_TEMPFAIL of sysexits). */
export const exitCodes = { good: 0, bad: 1, usage: 2, again: 75, interrupted: 130 } as const
