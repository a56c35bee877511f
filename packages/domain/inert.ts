/** Characters that turn the direction of the text around them, or end its line (Unicode, UAX #9, 2.1 to 2.6). */
export const turning = /[\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

/**
 * Text that shows what it holds: characters that turn text are written out, `\u202e`. In JSON that is the same value.
 * @param mark what stands before the four digits
 */
export const inert = (text: string, mark = '\\u'): string =>
  text.replace(turning, (one) => `${mark}${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
