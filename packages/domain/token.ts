import Type from 'typebox'
import { words } from './schemas.ts'

/** read: look at repositories and runs. write: cancel and re-run. admin: all. */
export const scopes = ['read', 'write', 'admin'] as const
export type Scope = (typeof scopes)[number]

/** An API token, as the record holds it and the API shows it; the token itself is shown once and kept only as a hash. */
export const Token = Type.Object({
  id: Type.String(),
  name: Type.String(),
  scope: words(scopes),
  createdAt: Type.String(),
  expiresAt: Type.Optional(Type.String()),
})
export type Token = Type.Static<typeof Token>

/** What an admin sends to make one. */
export const NewToken = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 100 }),
    scope: Token.properties.scope,
    expiresAt: Type.Optional(Type.String({ format: 'date-time' })),
  },
  { additionalProperties: false },
)
export type NewToken = Type.Static<typeof NewToken>
