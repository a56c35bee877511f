import { keptExplanation } from '../environment/explanation.ts'
import type { Reason } from '../reason.ts'
import { hideSecrets } from '../secrets/mask.ts'
import type { RunEvent } from './event.ts'

/** A reason without what its sentence quotes of secrets. */
export const hideReason = (secrets: readonly string[], { more, ...reason }: Reason): Reason => ({
  ...reason,
  message: hideSecrets(secrets, reason.message),
  ...(more ? { more: more.map((one) => ({ ...one, message: hideSecrets(secrets, one.message) })) } : {}),
})

/** An event with what it quotes from logs, reports and answers rid of secrets. Names that the pipeline gives are left as they are. */
export function hideInEvent(secrets: readonly string[], event: RunEvent): RunEvent {
  const hide = (text: string) => hideSecrets(secrets, text)
  if (event.type === 'test_changed') {
    const { reason, failures, ...test } = event.test
    const shown = failures?.map(({ name, message, file, stack, ...rest }) => ({
      ...rest,
      name: hide(name),
      message: hide(message),
      ...(file ? { file: hide(file) } : {}),
      ...(stack ? { stack: hide(stack) } : {}),
    }))
    return {
      ...event,
      test: {
        ...test,
        ...(reason ? { reason: hideReason(secrets, reason) } : {}),
        ...(shown ? { failures: shown } : {}),
      },
    }
  }
  if (event.type === 'release_changed') {
    const { reason, explanation, failure } = event
    return {
      ...event,
      ...(reason ? { reason: hideReason(secrets, reason) } : {}),
      ...(explanation ? { explanation: keptExplanation(explanation, hide) } : {}),
      ...(failure === undefined ? {} : { failure: hide(failure) }),
    }
  }
  if (event.type === 'job_changed' && event.job.reason)
    return { ...event, job: { ...event.job, reason: hideReason(secrets, event.job.reason) } }
  return 'reason' in event && event.reason ? { ...event, reason: hideReason(secrets, event.reason) } : event
}
