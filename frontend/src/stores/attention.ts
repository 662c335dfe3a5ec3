/** What of the unread messages is for me, and what is the chatter of a room: apart in the title, in badges and in the list of rooms. */
import { shallowRef } from 'vue'
import type { Room } from '../api'
import { unreadIn } from './rooms'
import { isOnScreen } from './screen'

/** Which messages of a room cause notifications. */
export const LEVELS = ['all', 'mentions', 'nothing'] as const
export type Level = (typeof LEVELS)[number]

/** By room, where it is not the default; filled by the feature that keeps them. */
export const levels = shallowRef<Readonly<Record<string, Level>>>({})

export function defaultLevel({ kind }: Pick<Room, 'kind'>): Level {
  return kind === 'direct' ? 'all' : 'mentions'
}

export function levelOf(room: Pick<Room, 'slug' | 'kind'>): Level {
  return levels.value[room.slug] ?? defaultLevel(room)
}

export interface Unread {
  /** direct messages, mentions, and all of rooms at the level `all` */
  forMe: number
  /** unread messages besides them; none in muted rooms */
  chatter: number
}

export function unreadOf(room: Room): Unread {
  const level = levelOf(room)
  const unread = unreadIn(room)
  if (level === 'nothing') return { forMe: 0, chatter: 0 }
  const forMe = level === 'all' ? unread : Math.min(unread, mentionsIn(room))
  return { forMe, chatter: unread - forMe }
}

/** Of all rooms together. */
export function badge(rooms: readonly Room[]): Unread {
  const sum = { forMe: 0, chatter: 0 }
  for (const room of rooms) {
    const { forMe, chatter } = unreadOf(room)
    sum.forMe += forMe
    sum.chatter += chatter
  }
  return sum
}

/** Unread messages that name me. */
export function mentionsIn(room: Room): number {
  return room.member && !isOnScreen(room.slug) ? (room.mentions ?? 0) : 0
}
