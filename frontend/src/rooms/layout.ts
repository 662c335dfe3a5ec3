/** Wide windows open with the members beside the messages. */
export function hasRoomFor(panel: 'members'): boolean {
  return panel === 'members' && matchMedia('(min-width: 1180px)').matches
}
