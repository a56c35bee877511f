import type { RepositoryId, RunId } from '../ids.ts'

/** An open run that nobody builds yet, or that somebody builds. */
export interface InLine {
  id: RunId
  repo: RepositoryId
  /** Order of intake. */
  sequence: number
  isHeld: boolean
}
/** What decides how long a run waits. */
export interface Line {
  runs: readonly InLine[]
  /** When each repository had its last turn: larger is later. */
  turns: ReadonlyMap<RepositoryId, number>
  /** Runs that all living workers together take at a time. */
  slots: number
  /** Percent of a living worker's disk that is free, where it takes no run for that. */
  freePercent?: number
  /** At most so many runs of a repository at a time. */
  limits: ReadonlyMap<RepositoryId, number>
}
/** Why a run waits, and for how long about. */
export interface Waiting {
  for: 'slot' | 'concurrency' | 'worker'
  /** From 1: how many are taken up to and with it. */
  place: number
  estimateSeconds?: number
  message: string
}

/**
 * The order in which waiting runs get their turn. The repository with the fewest runs in hand comes first, then the one
 * whose last turn is longest ago; within a repository the oldest run. `take-turn.lua` picks the first of this order.
 */
export function turnOrder({ runs, turns }: Pick<Line, 'runs' | 'turns'>): InLine[] {
  const inHand = new Map<RepositoryId, number>()
  for (const { repo, isHeld } of runs) if (isHeld) inHand.set(repo, (inHand.get(repo) ?? 0) + 1)
  const bySequence = runs.filter(({ isHeld }) => !isHeld).sort((a, b) => a.sequence - b.sequence)
  const ranked = bySequence.map((run) => {
    const rank = inHand.get(run.repo) ?? 0
    inHand.set(run.repo, rank + 1)
    return { run, rank, turn: turns.get(run.repo) ?? 0 }
  })
  return ranked
    .sort((a, b) => a.rank - b.rank || a.turn - b.turn || a.run.sequence - b.run.sequence)
    .map(({ run }) => run)
}

/** Why a run waits, or undefined when its turn is now. `runSeconds` is what a run of its repository takes, if that is known. */
export function waitingOf(run: Pick<InLine, 'id' | 'repo'>, line: Line, runSeconds?: number): Waiting | undefined {
  const order = turnOrder(line)
  const at = order.findIndex(({ id }) => id === run.id)
  if (at < 0) return undefined
  const place = at + 1
  if (line.slots === 0) return { for: 'worker', place, message: noWorker(line) }
  const held = line.runs.filter(({ isHeld }) => isHeld)
  const limit = line.limits.get(run.repo) ?? 0
  const ofRepository = held.filter(({ repo }) => repo === run.repo).length
  const isLimited = limit > 0 && ofRepository >= limit
  if (!isLimited && place <= line.slots - held.length) return undefined
  const ahead = isLimited ? order.slice(0, place).filter(({ repo }) => repo === run.repo).length : place
  const slots = isLimited ? Math.min(limit, line.slots) : line.slots
  // Those in hand are half through, on average.
  const estimateSeconds = runSeconds === undefined ? undefined : Math.round(((ahead - 0.5) / slots) * runSeconds)
  const about = estimateSeconds === undefined ? '' : `, about ${inWords(estimateSeconds)}`
  const why = isLimited ? ` of this repository, which may have ${limit} at a time` : ''
  return {
    for: isLimited ? 'concurrency' : 'slot',
    place: ahead,
    ...(estimateSeconds === undefined ? {} : { estimateSeconds }),
    message: `Waiting: ${ordinal(ahead)} in line${why}${about}.`,
  }
}

const noWorker = ({ freePercent }: Line): string =>
  freePercent === undefined
    ? 'Waiting: no builder is running. It goes on when one starts.'
    : `Waiting: the builder is paused, as only ${freePercent} % of its disk is free. It goes on when there is room.`

/** The middle value; undefined of none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)]
}

const inWords = (seconds: number): string => {
  if (seconds < 90) return `${Math.max(1, seconds)} s`
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`
}

function ordinal(place: number): string {
  const isTeen = place % 100 >= 11 && place % 100 <= 13
  const ending = isTeen ? 'th' : (['th', 'st', 'nd', 'rd'][place % 10] ?? 'th')
  return `${place}${ending}`
}
