import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** A file as it is served. */
export interface StaticFile {
  body: string
  type: string
  etag: string
}

const types: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** Reads a file of the assets folder. @throws when it is missing or of an unknown kind: the api then doesn't start */
export function readStatic(name: string): StaticFile {
  const type = types[extname(name)]
  if (!type) throw new Error(`${name} has no known content type`)
  const body = readFileSync(join(import.meta.dirname, 'assets', name), 'utf8')
  return { body, type, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` }
}

/** Answers a file, or 304 when the reader has it already: browsers ask each time, so an update shows at once. */
export function sendStatic(request: FastifyRequest, reply: FastifyReply, file: StaticFile): FastifyReply {
  pageHeaders(reply).header('cache-control', 'no-cache').header('etag', file.etag)
  const known = request.headers['if-none-match']?.split(/, */).map((tag) => tag.replace(/^W\//, ''))
  if (known?.includes(file.etag)) return reply.code(304).send()
  return reply.type(file.type).send(file.body)
}

/**
 * With `no-referrer`, browsers send `Origin: null` on a form of the page's own, and the sign-in would be refused
 * (https://fetch.spec.whatwg.org/#append-a-request-origin-header).
 */
export const pageHeaders = (reply: FastifyReply): FastifyReply => reply.header('referrer-policy', 'same-origin')
