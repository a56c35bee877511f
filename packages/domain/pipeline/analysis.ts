import Type from 'typebox'
import { Job } from './component.ts'
import { strict, text } from './parts.ts'

/** An analysis is given no secrets: what it asks stands beside what everybody asks. */
const { secrets: _, ...jobOfAnalysis } = Job.properties
const AnalysisJob = Type.Object(jobOfAnalysis, {
  ...strict,
  description:
    'Commands that end with 0 when the new version is well; TAXIWAY_PODS has the addresses of the new pods, apart by spaces.',
})
const Analysis = Type.Union(
  [
    Type.Object(
      {
        http: Type.String({
          pattern: '^/[!-~]*$',
          maxLength: 500,
          description: 'A path like /healthz?deep=1 that new pods are asked for, five times a second.',
        }),
        port: Type.Optional(
          Type.Integer({
            minimum: 1,
            maximum: 65535,
            description: "A port. Asked are the pods that have it. Default: the container's first port.",
          }),
        ),
        success: Type.Optional(
          Type.Number({
            minimum: 0,
            maximum: 100,
            description: 'Percent of answers that must be 2xx or 3xx. Default: 100.',
          }),
        ),
      },
      strict,
    ),
    Type.Object(
      {
        prometheus: Type.String({
          pattern: '^https?://',
          maxLength: 500,
          description: 'The address of a Prometheus server, which an admin lists in TAXIWAY_ALLOWED_ORIGINS.',
        }),
        query: text(4096, 'A query whose first value is looked at.'),
        min: Type.Optional(Type.Number({ description: 'A number. The value must not be less.' })),
        max: Type.Optional(Type.Number({ description: 'A number. The value must not be more.' })),
      },
      strict,
    ),
    Type.Object({ job: AnalysisJob }, strict),
  ],
  { description: 'One measure: http, prometheus or job.' },
)
/** What new pods are measured by. */
export const analysis = Type.Optional(
  Type.Array(Analysis, {
    minItems: 1,
    maxItems: 10,
    description: 'What is measured at each step; the first that fails ends the release.',
  }),
)
