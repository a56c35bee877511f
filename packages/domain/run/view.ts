import Type from 'typebox'
import { Explanation } from '../environment/explanation.ts'
import { gateKinds } from '../environment/gate.ts'
import { jobStates, jobTurns, releaseStates, stageStates, testStates } from './parts.ts'
import { runStates } from './run.ts'

const When = Type.Optional(Type.String({ format: 'date-time' }))
const ReasonView = Type.Object({ code: Type.String(), message: Type.String() }, { $id: 'Reason' })
const words = <const T extends readonly string[]>(list: T) =>
  Type.Enum([...list] as string[]) as unknown as Type.TUnsafe<T[number]>

/** A run as the API answers it. */
export const RunView = Type.Object(
  {
    id: Type.String(),
    number: Type.Integer(),
    sequence: Type.Integer(),
    repo: Type.String({ description: 'Id of the repository.' }),
    repository: Type.String({ description: 'owner/name' }),
    event: Type.String(),
    sha: Type.String(),
    branch: Type.String(),
    tag: Type.Optional(Type.String()),
    pullRequest: Type.Optional(Type.Object({ number: Type.Integer(), base: Type.String(), fork: Type.Boolean() })),
    trusted: Type.Optional(Type.Boolean()),
    inputs: Type.Optional(Type.Record(Type.String(), Type.String())),
    cancelRequestedBy: Type.Optional(Type.String()),
    message: Type.String(),
    author: Type.String(),
    state: words(runStates),
    reason: Type.Optional(ReasonView),
    waiting: Type.Optional(
      Type.Object({
        for: words(['slot', 'concurrency', 'worker', 'retry', ...gateKinds] as const),
        place: Type.Optional(Type.Integer({ description: 'How many are taken up to and with this run.' })),
        estimateSeconds: Type.Optional(Type.Integer()),
        environment: Type.Optional(Type.String({ description: 'Before which it waits at a gate.' })),
        since: When,
        until: When,
        message: Type.String(),
      }),
    ),
    notes: Type.Optional(Type.Array(ReasonView)),
    approvals: Type.Optional(
      Type.Array(
        Type.Object({ environment: Type.String(), who: Type.String(), at: Type.String({ format: 'date-time' }) }),
      ),
    ),
    asked: Type.Optional(
      Type.Object(
        {
          who: Type.String(),
          runId: Type.String({ description: 'The run whose images it has.' }),
          number: Type.Integer({ description: 'Of that run.' }),
          environment: Type.Optional(Type.String({ description: 'Where the release was promoted from.' })),
          generation: Type.Optional(Type.Integer({ description: 'The release that is given again.' })),
        },
        { description: 'A promotion, a deploy by hand or a rollback: who asked for what.' },
      ),
    ),
    url: Type.String(),
    attempt: Type.Integer(),
    createdAt: Type.String({ format: 'date-time' }),
    startedAt: When,
    finishedAt: When,
    stages: Type.Array(
      Type.Object({
        name: Type.String(),
        environment: Type.Optional(Type.String()),
        state: words(stageStates),
        startedAt: When,
        finishedAt: When,
        reason: Type.Optional(ReasonView),
      }),
    ),
    images: Type.Array(
      Type.Object({
        name: Type.String(),
        digest: Type.Optional(Type.String()),
        reference: Type.Optional(Type.String()),
        reusedFrom: Type.Optional(Type.String()),
        reusedRun: Type.Optional(Type.Integer({ description: 'Number of the run that built it.' })),
        provenance: Type.Optional(Type.String()),
      }),
    ),
    tests: Type.Optional(
      Type.Array(
        Type.Object({
          name: Type.String(),
          state: words(testStates),
          tries: Type.Integer(),
          flaky: Type.Optional(Type.Boolean()),
          allowed: Type.Optional(Type.Boolean()),
          durationMs: Type.Optional(Type.Number()),
          reason: Type.Optional(ReasonView),
          counts: Type.Optional(
            Type.Object({ total: Type.Integer(), failed: Type.Integer(), skipped: Type.Integer() }),
          ),
          failures: Type.Optional(
            Type.Array(
              Type.Object({
                name: Type.String(),
                message: Type.String(),
                file: Type.Optional(Type.String()),
                line: Type.Optional(Type.Number()),
                stack: Type.Optional(Type.String()),
              }),
            ),
          ),
        }),
      ),
    ),
    artifacts: Type.Optional(
      Type.Array(
        Type.Object({
          id: Type.String(),
          test: Type.String(),
          path: Type.String({ description: 'In the container.' }),
          name: Type.Optional(Type.String({ description: 'Of the file; a folder is kept as one archive.' })),
          bytes: Type.Integer(),
          expiresAt: Type.String({ format: 'date-time' }),
        }),
      ),
    ),
    releases: Type.Array(
      Type.Object({
        environment: Type.String(),
        generation: Type.Integer(),
        state: words(releaseStates),
        reason: Type.Optional(ReasonView),
        progress: Type.Optional(Type.String({ description: 'How far it is on its way: canary 25 %.' })),
        explanation: Type.Optional(Explanation),
      }),
    ),
    jobs: Type.Optional(
      Type.Array(
        Type.Object({
          environment: Type.String(),
          when: words(jobTurns),
          name: Type.String(),
          state: words(jobStates),
          durationMs: Type.Optional(Type.Number()),
          reason: Type.Optional(ReasonView),
        }),
      ),
    ),
  },
  { $id: 'Run' },
)
