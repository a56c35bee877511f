/**
 * One shell for all commands, of which each is announced; the first that fails ends it with its status. Each is read for itself, so that a quote
 * that is left open spoils none but its own, and a pipe fails with any part of it where the shell has pipefail. Errors and
 * output go one way, in the order in which they were written.
 */
export function shellCommand(
  commands: readonly string[],
  shell: string,
  announce: (command: string) => string = () => ':',
): [string, '-c', string] {
  const hasPipe = commands.some((command) => /(^|[^|])\|([^|]|$)/.test(command))
  const told = hasPipe ? `echo ${quoted(noPipefail)}` : ':'
  const lines = [
    'exec 2>&1',
    'set -e',
    `if (set -o pipefail) 2>/dev/null; then set -o pipefail; else ${told}; fi`,
    ...commands.map((command) => `${announce(command)}\neval ${quoted(command)}\n${check}`),
  ]
  return [shell, '-c', lines.join('\n')]
}

/** A text as one word of a shell. */
export const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

const noPipefail = 'note: this shell has no pipefail, so of "a | b" only b decides. With shell: bash, both do.'
/** `-e` alone overlooks what fails before an `&&`. */
const check = 'case $? in 0) ;; *) exit $? ;; esac'
