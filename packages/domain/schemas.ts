import Type from 'typebox'
import type { Reason } from './reason.ts'

// What the schemas of records and views are put together from.

/** One of these words. */
export const words = <const T extends readonly string[]>(list: T) =>
  Type.Unsafe<T[number]>(Type.Enum([...list] as string[]))
/** ISO 8601. */
export const When = Type.String({ format: 'date-time' })
/** A reason as it is kept and shown. */
export const ReasonSchema = Type.Unsafe<Reason>(
  Type.Object(
    {
      code: Type.String(),
      message: Type.String(),
      more: Type.Optional(
        Type.Array(Type.Object({ code: Type.String(), message: Type.String() }), {
          description: 'What else stands against it, found by the same look.',
        }),
      ),
    },
    { $id: 'Reason' },
  ),
)
