const REASONS: Record<string, string> = {
  not_a_member: 'You are not a member of this room.',
  no_such_room: 'This room no longer exists.',
  no_such_target: 'There is no such person any more.',
  forbidden: 'You may not write here.',
  too_long: 'The message is too long.',
  empty: 'The message is empty.',
}

/** Why the server refused a frame, in a sentence: by its code, else in the server's words. */
export function reasonOf({ code, message }: { code: string; message: string }): string {
  return REASONS[code] ?? message
}
