import type { LogEvent, Person } from '../protocol'

/** Whether a program wrote it. */
export function isBot(event: LogEvent): boolean {
  return event.type === 'message' && event.bot === true
}

/** Keys of events that the server writes in their author's name: a poll closes, a flag falls. */
const SERVER_KEY = 'server:'

/** Whether this person wrote it, and no program or the server in the person's name. */
export function isOwn(event: LogEvent, me: number): boolean {
  const { key } = event as { key?: unknown }
  return event.from.id === me && !isBot(event) && !String(key).startsWith(SERVER_KEY)
}

/** Who is shown as the author: a bot by the name that its message gives. */
export function authorOf(event: LogEvent): Person {
  return event.type === 'message' && event.bot && event.alias ? { ...event.from, name: event.alias } : event.from
}
