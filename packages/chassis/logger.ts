import { inert } from '@taxiway/domain/inert.ts'
import pino, { type Logger } from 'pino'

export type { Logger } from 'pino'

/** The process's log: JSON lines, or coloured text on a terminal. Tokens, secrets and keys are never written. */
export function makeLogger(level: string, role: string): Logger {
  const redact = {
    paths: [
      'token',
      'secret',
      'password',
      '*.token',
      '*.secret',
      '*.password',
      'req.headers.authorization',
      'req.headers.cookie',
    ],
    censor: '***',
  }
  // What strangers name is written down as well.
  const hooks = { streamWrite: (line: string) => inert(line, '\\\\u') }
  const options = { level, redact, base: { role }, hooks }
  if (!process.stdout.isTTY) return pino(options)
  return pino({
    ...options,
    transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss' } },
  })
}
