import { factsOf, type ReasonCode } from './reason.ts'

/** Whose fault is it: the infrastructure's (`errored`) or the code's (`failed`)? */
export const isInfrastructure = (code: ReasonCode): boolean => !['code', 'refusal'].includes(factsOf(code).fault)
/** Is a neighbour away, maybe for minutes? */
export const isOutage = (code: ReasonCode): boolean => factsOf(code).fault === 'outage'
/** May another try help? */
export const isRetryable = (code: ReasonCode): boolean => ['infrastructure', 'outage'].includes(factsOf(code).fault)
/** May a test that ended so pass at its next try? */
export const isByChance = (code: ReasonCode): boolean => factsOf(code).byChance
/** Does it say something about the release itself, once that was tried in its environment? */
export const isOfRelease = (code: ReasonCode): boolean => factsOf(code).fault === 'code'
