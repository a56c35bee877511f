import Type from 'typebox'
import { gateKinds } from '../environment/gate.ts'
import { When, words } from '../schemas.ts'
import { ShownRun } from './run.ts'

/** A run as the API answers it: what the record shows of it, where its page is, and what it waits for. */
export const RunView = Type.Object(
  {
    ...ShownRun.properties,
    url: Type.String(),
    waiting: Type.Optional(
      Type.Object({
        for: words(['slot', 'concurrency', 'worker', 'retry', ...gateKinds]),
        place: Type.Optional(Type.Integer({ description: 'How many are taken up to and with this run.' })),
        estimateSeconds: Type.Optional(Type.Integer()),
        environment: Type.Optional(Type.String({ description: 'Before which it waits at a gate.' })),
        since: Type.Optional(When),
        until: Type.Optional(When),
        message: Type.String(),
      }),
    ),
  },
  { $id: 'Run' },
)
