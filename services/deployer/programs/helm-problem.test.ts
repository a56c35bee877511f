import { expect, test } from 'vitest'
import { helmProblem } from './helm-problem.ts'

const warnings = `WARNING: Kubernetes configuration file is group-readable. This is insecure. Location: /dev/null
WARNING: Kubernetes configuration file is world-readable. This is insecure. Location: /dev/null
coalesce.go:223: warning: destination for redis.x is a table. Ignoring non-table value ()
`
const debug = '\n\nUse --debug flag to render out invalid YAML\n'

test.each<[string, string, string]>([
  [
    'a value that is required',
    `Error: execution error at (web/templates/r.yaml:4:16): A valid .Values.databaseUrl is required!${debug}`,
    'templates/r.yaml: A valid .Values.databaseUrl is required!',
  ],
  [
    'a value that is not there',
    `Error: template: web/templates/r.yaml:4:23: executing "web/templates/r.yaml" at <.Values.a.b>: nil pointer evaluating interface {}.b${debug}`,
    'templates/r.yaml, line 4: <.Values.a.b>: nil pointer evaluating interface {}.b',
  ],
  [
    'a template within a template',
    `Error: template: web/templates/r.yaml:1:6: executing "web/templates/r.yaml" at <include "a" .>: error calling include: template: web/charts/redis/templates/_h.tpl:7:4: executing "a" at <index .x "y">: error calling index: index of nil pointer${debug}`,
    'charts/redis/templates/_h.tpl, line 7: <index .x "y">: error calling index: index of nil pointer',
  ],
  [
    'a function that there is not',
    `Error: parse error at (web/templates/r.yaml:1): function "foo" not defined${debug}`,
    'templates/r.yaml, line 1: function "foo" not defined',
  ],
  [
    'what is no YAML',
    `Error: YAML parse error on web/templates/r.yaml: error converting YAML to JSON: yaml: line 2: mapping values are not allowed in this context${debug}`,
    'templates/r.yaml: what is made of it is no YAML: line 2: mapping values are not allowed in this context',
  ],
  [
    'values against the schema',
    "Error: values don't meet the specifications of the schema(s) in the following chart(s):\nweb:\n- (root): y is required\n- x: Invalid type. Expected: string, given: integer\n\n",
    'its values are not as values.schema.json has them: (root): y is required; x: Invalid type. Expected: string, given: integer',
  ],
  [
    'a chart that is not there',
    'Error: An error occurred while checking for chart dependencies. You may need to run `helm dependency build` to fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: redis, postgresql\n',
    'the charts that it depends on are not in the commit (redis, postgresql); run "helm dependency update" and commit charts/',
  ],
  [
    'another version of Kubernetes',
    `Error: chart requires kubeVersion: >=1.30 which is incompatible with Kubernetes v1.23.0${debug}`,
    'chart requires kubeVersion: >=1.30 which is incompatible with Kubernetes v1.23.0',
  ],
  ['nothing', '', 'helm failed without a word'],
])('%s is told in the fewest true words', (_what, stderr, words) => {
  expect(helmProblem(warnings + stderr)).toBe(words)
})
