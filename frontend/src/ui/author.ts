import type { LogEvent, Person } from '../protocol'

/** Whether a program wrote it. */
export function isBot(event: LogEvent): boolean {
  return event.type === 'message' && event.bot === true
}

/** Who is shown as the author: a bot by the name that its message gives. */
export function authorOf(event: LogEvent): Person {
  return event.type === 'message' && event.bot && event.alias ? { ...event.from, name: event.alias } : event.from
}
