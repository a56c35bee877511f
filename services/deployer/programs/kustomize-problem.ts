import { oneLine } from '@taxiway/domain/reason.ts'

const longest = 500

/** What kustomize objects to, alone or in kubectl, out of all that it wrote: without warnings, and beginning with the file where it names one. */
export function kustomizeProblem(stderr: string): string {
  const words = stderr
    .split('\n')
    .filter((line) => !/^#? ?Warning/i.test(line))
    .map(unwrapped)
    .join('\n')
    .trim()
    .replace(/^error: /i, '')
  return oneLine(inShort(words), longest).replace(/\.$/, '') || 'kustomize failed without a word'
}

/** Newer kubectl logs its last error: `E1128 16:10:02.7 1 run.go:72] "command failed" err="…"`. */
function unwrapped(line: string): string {
  const said = /^E\d{4} .*\] "command failed" err=("(?:[^"\\]|\\.)*")$/.exec(line)?.[1]
  if (said === undefined) return line
  try {
    return JSON.parse(said)
  } catch {
    return said.slice(1, -1)
  }
}

/** Says what failed, not by which ways kustomize came there. */
function inShort(words: string): string {
  return words
    .replace(/^(?:accumulating resources: )+/, '')
    .replace(
      /^rawResources failed to read Resources: YAML file \[([^\]]+)\] encounters a format error\.\s*(?:error converting YAML to JSON: )?(?:yaml: )?/,
      '$1: ',
    )
    .replace(/^accumulateFile "([\s\S]+?)", (?:loader\.New|accumulateDirector)[\s\S]*$/, '$1')
    .replace(/^accumulation err='([\s\S]+)': must build at directory: '[^']*': file is not directory$/, '$1')
    .replace(/^(?:accumulating|merging) resources from '([^']+)': /, '$1: ')
    .replace(/(?:MalformedYAMLError: )?(?:yaml: )?(line \d+: [\s\S]+?) in File: \S+$/, '$1')
    .replace(/^([^:\s]+): \1: /, '$1: ')
}
