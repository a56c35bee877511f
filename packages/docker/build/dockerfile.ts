import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'

/** The named build stages of a Dockerfile, lower case as the builder has them: `FROM base AS test` gives `test`. */
export function dockerfileStages(text: string): string[] {
  const named =
    /^[^\S\r\n]*FROM[^\S\r\n]+(?:--\S+[^\S\r\n]+)*\S+[^\S\r\n]+AS[^\S\r\n]+([a-z][a-z0-9_.-]*)[^\S\r\n]*\r?$/gim
  return [...new Set(Array.from(text.matchAll(named), ([, name = '']) => name.toLowerCase()))]
}

/** Do steps keep work in cache mounts (`RUN --mount=type=cache`)? Rather one too many is told. */
export const hasCacheMounts = (text: string): boolean => /\btype=(cache\b|\$)/i.test(text)

/**
 * The images of elsewhere that a Dockerfile names (`FROM`, `COPY --from`, `RUN --mount=from=`), with these arguments in the place of its own
 * defaults. Names that can't be put together from these are left out.
 */
export function dockerfileImages(text: string, args: Readonly<Record<string, string>>): string[] {
  const joined = text.replaceAll(/^[^\S\n]*#.*\n/gm, '').replaceAll(/\\[^\S\n]*\n/g, ' ')
  const values: Record<string, string> = {}
  const stages = new Set(['scratch'])
  const images = new Set<string>()
  const add = (name: string | undefined) => {
    if (name && !/[\s$]/.test(name) && !/^\d+$/.test(name) && !stages.has(name.toLowerCase())) images.add(name)
  }
  for (const [line] of joined.matchAll(/^[^\S\n]*(?:ARG|FROM|COPY|RUN)[^\S\n].*$/gim)) {
    const [word = '', ...rest] = line.trim().split(/\s+/)
    const instruction = word.toUpperCase()
    if (instruction === 'ARG' && stages.size === 1)
      for (const [, name = '', value = ''] of rest.join(' ').matchAll(/([A-Za-z_]\w*)(?:=("[^"]*"|'[^']*'|\S*))?/g))
        values[name] = args[name] ?? filled(value.replace(/^(["'])(.*)\1$/, '$2'), values)
    if (instruction === 'FROM') {
      const [name = '', as, stage] = rest.filter((part) => !part.startsWith('--'))
      add(filled(name.replace(/^(["'])(.*)\1$/, '$2'), values))
      stages.add(as?.toUpperCase() === 'AS' && stage ? stage.toLowerCase() : `stage ${stages.size}`)
    }
    if (instruction === 'COPY' || instruction === 'RUN')
      for (const flag of rest.filter((part) => part.startsWith('--')))
        add(/^--(?:mount=.*\b)?from=([^,]+)/.exec(flag)?.[1])
  }
  return [...images]
}

/** Longer ones name no image, and could grow without end by being put into each other. */
const longestName = 300

/** A text with `$NAME`, `${NAME}` and `${NAME:-else}` filled in; what is not known stays. */
function filled(text: string, values: Readonly<Record<string, string>>): string {
  if (text.length > longestName) return '$'
  const full = text.replaceAll(/\$(?:(\w+)|\{(\w+)(?::?-([^{}]*))?\})/g, (all, plain, braced, otherwise) => {
    const value = values[plain ?? braced]
    return value || (otherwise ?? value ?? all)
  })
  return full.length > longestName ? '$' : full
}

/**
 * Checks a Dockerfile before it is given to the engine and returns the text to build. A `# syntax=` line makes the builder
 * pull and run a frontend image (docs.docker.com/build/buildkit/frontend): for Docker's own frontend the line is taken out, as
 * the engine's built-in one is used; any other is refused, and so are entitlements beyond a plain build and what the engine would fetch.
 */
export function checkDockerfile(text: string): Outcome<string> {
  const plain = text.replace(/^\ufeff/, '')
  const lines = plain.split('\n')
  // A whole Dockerfile in JSON form can name a frontend, too.
  if (/^\s*\{/.test(lines[0] ?? '')) return refuse('option_not_allowed', { option: 'syntax in the Dockerfile' })
  let head = lines.findIndex((line) => line.trim() !== '' && !/^\s*(#|\/\/)/.test(line))
  if (head === -1) head = lines.length
  // Whitespace is never looked for twice in one place: a long line of it would take minutes.
  const syntax = /^(?:#|\/\/)\s*syntax\s*=\s*(\S*)$/i
  for (const line of lines.slice(0, head)) {
    const frontend = line.trim().match(syntax)?.[1]
    if (
      frontend !== undefined &&
      !/^(docker\.io\/)?docker\/dockerfile:1(\.\d+){0,2}(@sha256:[0-9a-f]{64})?$/.test(frontend)
    )
      return refuse('option_not_allowed', { option: `syntax=${frontend} in the Dockerfile` })
  }
  const joined = text.replace(/\\\r?\n/g, ' ')
  const flag = joined.match(/^[^\S\n]*RUN\s+(?:--\S+\s+)*--(security=insecure|network=host)\b/im)?.[1]
  if (flag !== undefined) return refuse('option_not_allowed', { option: `RUN --${flag}` })
  // The engine itself would fetch it, from where the machine's own addresses answer, and follow wherever that leads.
  const remote = joined.match(/^[^\S\n]*ADD(?=\s).*?["'\s[]((?:https?|git|ssh):\/\/|git@)/im)?.[1]
  if (remote !== undefined)
    return refuse('option_not_allowed', { option: `ADD of a URL (${remote}), use RUN to fetch it` })
  // Other directives must stay at the top, and line numbers in messages must stay true: the emptied lines move down.
  const kept = lines.slice(0, head).filter((line) => !syntax.test(line.trim()))
  if (kept.length === head) return done(plain)
  const emptied = Array.from({ length: head - kept.length }, () => '')
  return done([...kept, ...emptied, ...lines.slice(head)].join('\n'))
}

/** Build arguments that change the builder itself instead of the build, or undefined. */
export const forbiddenBuildArg = (args: Readonly<Record<string, string>>): string | undefined =>
  Object.keys(args).find((name) => /^BUILDKIT_/i.test(name) && name !== 'BUILDKIT_INLINE_CACHE')
