/** Whose fault a reason names, and with that how a run ends by it. */
export type Fault =
  /** The code's, or whoever asks: the run ends `failed`. */
  | 'code'
  /** The code's, found before anything of its environment is switched: it says nothing about a release there. */
  | 'refusal'
  /** The infrastructure's: the run ends `errored`, unless another try helps. */
  | 'infrastructure'
  /** A neighbour's, who may be back in a moment: it is tried again for minutes. */
  | 'outage'
  /** The infrastructure's, and the same try would meet it again: it is final. */
  | 'permanent'

/** All that is said of a code. */
export interface ReasonRecord<Parameters extends never[] = never[]> {
  fault: Fault
  /** Of the API's answer that has it. */
  status: number
  /** May a test that ended so pass at its next try? A missing secret or file will be as missing then. */
  byChance: boolean
  sentence: (...parameters: Parameters) => string
}

const of =
  (fault: Fault) =>
  <P extends unknown[]>(status: number, sentence: (...parameters: P) => string) => ({
    fault,
    status,
    byChance: false,
    sentence,
  })

export const code = of('code')
export const refusal = of('refusal')
export const infrastructure = of('infrastructure')
export const outage = of('outage')
export const permanent = of('permanent')
/** What a test may meet by chance. */
export const byChance = <R extends object>(record: R) => ({ ...record, byChance: true })
