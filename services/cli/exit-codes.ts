/** How a command ends. */
export const exitCodes = { good: 0, bad: 1, usage: 2, interrupted: 130 } as const
