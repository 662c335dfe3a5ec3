import { computed, onBeforeUnmount, shallowReactive, watch, type Ref } from 'vue'
import { api, type Member, type Room } from '../api'
import { filterList } from '../features/filtering'
import { useConnection } from '../stores/connection'
import { usePresence } from '../stores/presence'
import { useRooms } from '../stores/rooms'
import { usePages } from '../ui/usePages'

const PAGE = 100
/** Up to here the list is one page, in the order of names; a longer one grows at its end, in the server's order. */
export const ONE_PAGE = PAGE
/** milliseconds; in a large room a change of roles is news to many at once */
const REFRESH_AFTER = 300
const REFRESH_SPREAD = 5

/** Null: a person who is online, and whom the pages read so far do not hold. */
export type ListedMember = Omit<Member, 'role'> & { role: Member['role'] | null }

/** The members of a room, page by page, and those beyond the pages who are online. */
export function useMembers(room: () => Room, query: Ref<string>) {
  const rooms = useRooms()
  const presence = usePresence()
  const slug = room().slug
  let size = PAGE
  const pages = usePages<Member>(
    () => query.value.trim(),
    async (wanted, after) => {
      if (wanted) return filterList<Member>(slug, 'people', wanted, after)
      const page = await api.members(slug, { after, limit: after === null ? size : PAGE })
      if (after === null && page.next === null) rooms.change(slug, { member_count: page.items.length })
      return page
    },
  )
  /** people outside the pages, asked for one by one, and changes made here */
  const known = shallowReactive(new Map<number, Member>())
  /** asked about once: a former member who is online has no role */
  const asked = new Set<number>()
  let refreshing: ReturnType<typeof setTimeout> | undefined

  const people = computed<ListedMember[]>(() => {
    const listed = pages.items.value.map((member) => known.get(member.id) ?? member)
    if (query.value.trim()) return listed
    const there = new Set(listed.map(({ id }) => id))
    const others = [...presence.of(slug).online.values()].filter(({ id }) => !there.has(id))
    return [...listed, ...others.map(({ id, name }) => known.get(id) ?? { id, name, role: null })]
  })

  /** Whether everybody in the room is in the list. */
  const complete = computed(() => !query.value.trim() && !pages.more.value)

  async function askAbout(ids: number[]): Promise<void> {
    for (const id of ids) asked.add(id)
    try {
      const { items } = await api.members(slug, { user: ids, limit: PAGE })
      for (const member of items) known.set(member.id, member)
    } catch {
      // They are listed without a role until the list is read again.
    }
  }

  async function reload(): Promise<void> {
    // As many as before: no person in view disappears.
    size = Math.min(500, Math.max(PAGE, pages.items.value.length))
    await pages.reload()
    known.clear()
    asked.clear()
  }

  function refreshSoon(): void {
    clearTimeout(refreshing)
    refreshing = setTimeout(() => void refresh(), REFRESH_AFTER + Math.random() * REFRESH_SPREAD * room().member_count)
  }

  async function refresh(): Promise<void> {
    if (rooms.isLeaving(slug)) return refreshSoon()
    // Left a moment ago, with the page about to go on.
    if (!room().member) return
    await Promise.all([reload(), rooms.refresh(slug)])
  }

  const strangers = computed(() => people.value.filter(({ role }) => role === null).map(({ id }) => id))
  watch(strangers, (ids) => {
    if (rooms.isLeaving(slug) || !room().member) return
    const unknown = ids.filter((id) => !asked.has(id)).slice(0, PAGE)
    if (unknown.length && pages.answered.value && !query.value.trim()) void askAbout(unknown)
  })
  watch(
    () => room().member_count,
    (count) => {
      if (room().member && !rooms.isLeaving(slug) && complete.value && pages.answered.value && count !== pages.items.value.length) void reload()
    },
  )

  const stop = useConnection().chat().on('room.updated', (frame) => {
    if (frame.room === slug) refreshSoon()
  })
  onBeforeUnmount(() => {
    stop()
    clearTimeout(refreshing)
  })

  /** A change made here, before the server's news of it. */
  function put(member: Member): void {
    known.set(member.id, member)
  }

  function drop(id: number): void {
    known.delete(id)
    pages.items.value = pages.items.value.filter((member) => member.id !== id)
  }

  return { people, complete, pages, reload, put, drop }
}
