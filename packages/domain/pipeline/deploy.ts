import Type from 'typebox'
import { windowPattern, zonePattern } from '../environment/windows.ts'
import { analysis } from './analysis.ts'
import { Component, Job } from './component.ts'
import { durationPattern, glob, globs, name, named, strict, text, timeout } from './parts.ts'

/** Keys with dots between them, indexes in brackets; a dot within a key stands behind a backslash. */
const setPattern = '^[A-Za-z0-9_]([A-Za-z0-9_/-]|\\\\?\\.|\\[[0-9]{1,3}\\])*$'

const valuePath = Type.String({
  pattern: setPattern,
  maxLength: 200,
  description: 'The path of a value of the Helm chart, like image.repository.',
})

/** An environment in the pipeline file: where a release goes, and how. */
export const Deploy = Type.Object(
  {
    on: Type.Optional(
      Type.Object(
        {
          branch: Type.Union([glob, globs('branches', 'Pushes to these are deployed here.')], {
            description: 'A glob of branches, or a list of them; one that begins with ! leaves out again.',
          }),
        },
        {
          ...strict,
          description: 'Which pushes are deployed here. Default: those to the default branch of the repository.',
        },
      ),
    ),
    preview: Type.Optional(
      Type.Object(
        {
          ttl: Type.Optional(
            Type.String({
              pattern: '^[1-9][0-9]{0,4}(s|m|h|d)$',
              description:
                'A duration like 12h or 7d. It is removed when it was not deployed for so long. Default: 7d.',
            }),
          ),
          most: Type.Optional(
            Type.Integer({
              minimum: 1,
              maximum: 100,
              description: 'So many of its previews may stand at a time; one more is refused. Default: 10.',
            }),
          ),
          url: Type.Optional(
            Type.String({
              pattern: '^https?://[!-~]+$',
              maxLength: 500,
              description: 'An address like https://pr-{number}.example.com, shown to people; {number} is filled in.',
            }),
          ),
        },
        {
          ...strict,
          description:
            'Each pull request of this repository has this environment for itself, named <environment>.<number>, in the namespace <namespace>-<number>, until it is closed; pushes do not go there. {number} is filled in in hosts of components and Ingresses.',
        },
      ),
    ),
    cluster: Type.Optional(
      Type.String({ pattern: name, description: "The name of a registered cluster. Default: the repository's own." }),
    ),
    namespace: Type.Optional(
      Type.String({
        pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$',
        description:
          "A namespace with lower-case letters, digits and dashes. Default: the repository's own, else <repository>-<environment>.",
      }),
    ),
    manifests: Type.Optional(text(500, 'Folder or file of Kubernetes manifests in the repository. Default: k8s.')),
    values: Type.Optional(
      Type.Array(text(500, 'A file of the repository.'), {
        minItems: 1,
        maxItems: 20,
        description: 'Files of values for the Helm chart, later ones over earlier.',
      }),
    ),
    set: Type.Optional(
      Type.Record(
        Type.String({ pattern: setPattern }),
        Type.Union([Type.String({ maxLength: 4000 }), Type.Number(), Type.Boolean()]),
        {
          maxProperties: 100,
          description: 'Values for the Helm chart by their paths, like image.repository, over those of files.',
        },
      ),
    ),
    config_hash: Type.Optional(
      Type.Boolean({
        description:
          'true: ConfigMaps and Secrets of the manifests that pods use are named by their content, so that a change of one makes these pods anew, and old pods never see it. Default: false.',
      }),
    ),
    images: Type.Optional(
      named(
        Type.Union([valuePath, Type.Array(valuePath, { minItems: 1, maxItems: 20, description: 'Paths of values.' })], {
          description:
            'The path of a value of the Helm chart, or a list of them. One that ends with registry, repository, tag or digest is given that part of the image, any other the whole reference with its digest.',
        }),
        'Which values of the Helm chart name images of this pipeline.',
      ),
    ),
    components: Type.Optional(named(Component, 'The parts of the application, in the place of manifests.')),
    before: Type.Optional(
      named(Job, 'Jobs that run one after another before anything is switched; one that fails stops the release.'),
    ),
    after_live: Type.Optional(named(Job, 'Jobs that run once the release is healthy; one that fails rolls it back.')),
    after: Type.Optional(
      Type.String({
        pattern: name,
        description: 'The name of an environment above this one. It must be healthy first.',
      }),
    ),
    approval: Type.Optional(
      Type.Literal('required', { description: 'required: the release waits until a person has approved it.' }),
    ),
    approval_timeout: Type.Optional(timeout('How long it waits for that. Default: 24h.')),
    windows: Type.Optional(
      Type.Array(
        Type.String({
          pattern: windowPattern,
          description: 'A window like 09:00-17:00 or Mon-Thu 09:00-17:00.',
        }),
        {
          minItems: 1,
          maxItems: 20,
          description: 'When releases may begin; outside of them they wait. Default: always.',
        },
      ),
    ),
    timezone: Type.Optional(
      Type.String({
        pattern: zonePattern,
        description: 'A time zone like Europe/Berlin for the windows. Default: UTC.',
      }),
    ),
    timeout: Type.Optional(timeout('How long the release may take to become healthy. Default: 5m.')),
    restarts: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 100,
        description:
          'How often a container may be started again before the release is given up. Default: as often as there is time.',
      }),
    ),
    soak: Type.Optional(
      Type.String({
        pattern: durationPattern.replace('^(', '^(0[smh]|'),
        description: 'A duration like 30s. How long it must stay healthy to be called live. Default: 5s.',
      }),
    ),
    rollback: Type.Optional(
      Type.Boolean({
        description: 'false: a release that fails is left as it is. Default: true, the one before is given again.',
      }),
    ),
    prune: Type.Optional(
      Type.Union([Type.Literal('careful'), Type.Literal('all'), Type.Literal('none')], {
        description:
          'What becomes of objects that earlier releases had and this one has not. careful: they are removed, but never more than half of them at once. all: they are removed. none: they stay. Default: careful.',
      }),
    ),
    drift: Type.Optional(
      Type.Union([Type.Literal('report'), Type.Literal('correct'), Type.Literal('ignore')], {
        description:
          'What becomes of changes by hand. report: they are shown. correct: they are undone. ignore: nothing. Default: report.',
      }),
    ),
    canary: Type.Optional(
      Type.Object(
        {
          steps: Type.Array(
            Type.Object(
              {
                weight: Type.Integer({
                  minimum: 1,
                  maximum: 99,
                  description: 'A whole number. At least so many percent of the pods are new.',
                }),
                pause: Type.Optional(timeout('How long that is left so, and measured. Default: 30s.')),
              },
              { ...strict, description: 'A step, larger than the one before.' },
            ),
            { minItems: 1, maxItems: 20, description: 'By which steps the new pods take over.' },
          ),
          analysis,
        },
        { ...strict, description: 'The new version takes over by steps.' },
      ),
    ),
    blue_green: Type.Optional(
      Type.Object(
        {
          pause: Type.Optional(timeout('How long the new version is measured before it takes over. Default: 30s.')),
          analysis,
        },
        { ...strict, description: 'The new version is started whole beside the old, then takes over at once.' },
      ),
    ),
  },
  { ...strict, description: 'An environment: where the release goes.' },
)
