/**
 * Whether a key belongs to text that an input method still composes; such a key must do nothing else.
 *
 * Safari ends the composition before the Enter that confirms it: only the key code 229 says what that Enter was for.
 */
export function isComposing(event: KeyboardEvent): boolean {
  return event.isComposing || event.keyCode === 229
}
