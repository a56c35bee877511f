import type { Config } from '@taxiway/chassis/config.ts'
import type { FoundObject, ReleaseJob, ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import type { PlannedEnvironment } from '@taxiway/domain/plan/environment.ts'
import type { HoldDeps } from '@taxiway/worker/hold-run.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import type { Targets } from './target/open.ts'

/** What the deployer works with, whatever it does. */
export interface DeployerDeps extends HoldDeps {
  config: Config
  targets: Targets
}

/** What is done to an environment while no release is on its way. */
export type WatchDeps = Pick<DeployerDeps, 'config' | 'store' | 'targets' | 'logger'>

/** What one release works with. */
export interface ReleaseDeps extends DeployerDeps {
  token: string | undefined
  environment: PlannedEnvironment
  /** Who holds the run, and the environment while it is rolled out. */
  holder: string
}

/** The right to roll out to one environment of one repository: one run at a time, and always the newest. */
export interface Lane {
  /** Aborted when a newer run wants the environment, or the right was lost. */
  signal: AbortSignal
  /** The newer run, if that is why. */
  supersededBy(): string | undefined
  /** Looks again now, not at the next renewal. */
  look(): Promise<void>
  leave(): Promise<void>
}

/** What an environment is to be given, and the jobs that run for it. */
export interface Ordered {
  order: ReleaseOrder
  jobs: ReleaseJob[]
}

/** Everything one roll-out works with. */
export interface RollOut extends Ordered {
  stage: StageContext
  deps: ReleaseDeps
  target: Target
  lane: Lane
  /** What others made of what the order has. */
  found: FoundObject[]
  work(deadlineMs: number, signal?: AbortSignal): Work
  /** What was told of its way is written before what it came to. */
  told: Promise<unknown>
}
