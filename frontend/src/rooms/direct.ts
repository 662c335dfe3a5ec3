/** Direct rooms before their first message: the address is known, the room is not there yet. */
import { shallowReactive } from 'vue'
import { api } from '../api'
import type { Person } from '../protocol'

const peers = shallowReactive(new Map<number, Person>())

export function directSlug(one: number, other: number): string {
  return `dm-${Math.min(one, other)}-${Math.max(one, other)}`
}

/** The other person's id when `slug` is a direct room of mine. */
export function peerId(slug: string, me: number): number | null {
  const match = /^dm-(\d+)-(\d+)$/.exec(slug)
  if (!match) return null
  const ids = [Number(match[1]), Number(match[2])]
  return ids.includes(me) ? (ids.find((id) => id !== me) ?? null) : null
}

export function rememberPeer(person: Person): void {
  peers.set(person.id, person)
}

export function knownPeer(id: number): Person | undefined {
  return peers.get(id)
}

/** Asks who that is, unless it is known: after a reload there is only the address. */
export async function findPeer(id: number): Promise<void> {
  if (peers.has(id)) return
  try {
    const person = await api.person(id)
    if (person) rememberPeer(person)
  } catch {
    // The conversation works without the name.
  }
}
