import type { Strategy } from '@taxiway/domain/plan/strategy.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { checkPolicy } from './policy.ts'
import type { PolicyRules } from './rules.ts'

/** May an analysis of this strategy run its jobs here? They are held to the rules of manifests, as Jobs of the environment. */
export function checkAnalysis(
  { analysis }: Pick<Strategy, 'analysis'>,
  namespace: string,
  rules: PolicyRules,
): Outcome<void> {
  const jobs = analysis.flatMap((measure, index) =>
    measure.kind === 'job' ? [jobOf(measure.image, `analysis-${index + 1}`)] : [],
  )
  const allowed = jobs.length > 0 ? checkPolicy(jobs, namespace, rules) : done([])
  return allowed.ok ? done(undefined) : allowed
}

const jobOf = (image: string, name: string) => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name },
  spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'check', image }] } } },
})
