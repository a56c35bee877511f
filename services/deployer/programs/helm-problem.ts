import { oneLine } from '@taxiway/domain/reason.ts'

const longest = 500

/** What Helm objects to, out of all that it wrote: without warnings, and beginning with the file (`templates/web.yaml, line 3: …`). */
export function helmProblem(stderr: string): string {
  const lines = stderr
    .split('\n')
    .filter((line) => !/^(?:WARNING: |warning: |level=WARN|[a-z_]+\.go:\d+: )/i.test(line))
  const from = lines.findIndex((line) => /^Error: /i.test(line))
  const words = lines
    .slice(Math.max(from, 0))
    .join('\n')
    .replace(/^Error: /i, '')
    .replace(/\s*Use --debug flag to render out invalid YAML\s*$/, '')
  return oneLine(inShort(words.trim()), longest).replace(/\.$/, '') || 'helm failed without a word'
}

/** Names of templates begin with that of their chart, which is where the chart lies here. */
const own = (file: string): string => file.replace(/^[^/]+\//, '')

function inShort(words: string): string {
  const missing = /found in Chart\.yaml, but missing in charts\/ directory: (.+)/.exec(words)?.[1]
  if (missing)
    return `the charts that it depends on are not in the commit (${missing}); run "helm dependency update" and commit charts/`
  const schema = /values don't meet the specifications of the schema\(s\) in the following chart\(s\):\n([\s\S]+)/.exec(
    words,
  )
  if (schema?.[1])
    return `its values are not as values.schema.json has them: ${schema[1]
      .replace(/^[^-\n]*:\n/gm, '')
      .trim()
      .replace(/\s*\n-?\s*/g, '; ')
      .replace(/^- /, '')}`
  const yaml = /YAML parse error on (\S+): (?:error converting YAML to JSON: )?(?:yaml: )?([\s\S]+)/.exec(words)
  if (yaml) return `${own(yaml[1] ?? '')}: what is made of it is no YAML: ${yaml[2]}`
  // `required` and `fail` of a chart speak to its user.
  const said = /execution error at \((\S+?):\d+(?::\d+)?\): ([\s\S]+)/.exec(words)
  if (said) return `${own(said[1] ?? '')}: ${said[2]}`
  const parse = /parse error at \((\S+?):(\d+)(?::\d+)?\): ([\s\S]+)/.exec(words)
  if (parse) return `${own(parse[1] ?? '')}, line ${parse[2]}: ${parse[3]}`
  // A template that another includes is at the end.
  const failed = words.split(/(?=template: \S+:\d+:\d+: executing )/).at(-1) ?? ''
  const [, file = '', line, at, why] =
    /^template: (\S+?):(\d+):\d+: executing "[^"]+" at (<[^\n]*?>): ([\s\S]+)/.exec(failed) ?? []
  return file ? `${own(file)}, line ${line}: ${at}: ${why}` : words
}
