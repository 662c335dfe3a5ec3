import { onBeforeUnmount, watch } from 'vue'
import { useRoute } from 'vue-router'
import { t } from '../i18n'
import { useConnection } from '../stores/connection'
import { levelOf } from '../stores/attention'
import { titleOf, unreadIn, useRooms } from '../stores/rooms'
import { announce } from '../ui/announcer'
import { isolated, shownTitle } from '../ui/text'

/** Other rooms are summed up once in this time: a busy one would be read aloud for ever. */
const ROOMS_MS = 5_000

/** Tells a screen reader what others see: the connection, unsent messages, and messages in rooms that are not open. */
export function useAnnouncements(): void {
  const route = useRoute()
  const rooms = useRooms()
  const connection = useConnection()
  const news = new Map<string, number>()
  let timer: ReturnType<typeof setTimeout> | undefined

  function situation(): string {
    const { state, interrupted } = connection
    if (state.name === 'closed') return t('connection.closed')
    if (state.name === 'refused') return t('announced.refused')
    if (!interrupted) return ''
    return t(state.name === 'waiting' && state.offline ? 'connection.offline' : 'announced.lost')
  }

  watch(situation, (now, before) => {
    // The moment between two attempts is no news.
    if (now) announce(now, 'connection')
    else if (before) announce(t('announced.back'), 'connection')
  })

  watch(
    () => [connection.unsent.filter(({ state }) => state === 'failed').length, connection.isOpen ? 0 : connection.unsent.length] as const,
    ([failed, waiting], [failedBefore, waitingBefore]) => {
      if (failed > failedBefore) announce(t('announced.failed', { count: failed }), 'unsent')
      else if (waiting > waitingBefore) announce(t('connection.unsent', { count: waiting }), 'unsent')
    },
  )

  function grew(slug: string, count: number): void {
    if (slug === route.params.room) return
    news.set(slug, (news.get(slug) ?? 0) + count)
    timer ??= setTimeout(tell, ROOMS_MS)
  }

  function tell(): void {
    timer = undefined
    const known = [...news].flatMap(([slug, count]) => {
      const room = rooms.get(slug)
      return room && slug !== route.params.room ? [t('announced.unread', { count, room: isolated(titleOf(room)) })] : []
    })
    news.clear()
    for (const sentence of known) announce(sentence)
  }

  watch(
    () => (rooms.loaded ? new Map(rooms.all.map((room) => [room.slug, levelOf(room) === 'nothing' ? 0 : unreadIn(room)])) : null),
    (now, before) => {
      if (!now || !before) return
      for (const [slug, count] of now) {
        if (count > (before.get(slug) ?? 0)) grew(slug, count - (before.get(slug) ?? 0))
      }
    },
  )

  const stops = [
    connection.chat().on('room.added', ({ room, title, kind }) => {
      // A direct room makes itself heard by its first message.
      if (kind !== 'direct' && room !== route.params.room) announce(t('announced.added', { room: isolated(shownTitle(title) || room) }), `added ${room}`)
    }),
    connection.chat().on('room.left', ({ room, reason }) => {
      const title = rooms.ended.get(room)?.title ?? room
      if (reason === 'removed') announce(t('announced.removed', { room: isolated(title) }), `left ${room}`)
      if (reason === 'deleted') announce(t('announced.deleted', { room: isolated(title) }), `left ${room}`)
    }),
  ]

  onBeforeUnmount(() => {
    stops.forEach((stop) => stop())
    clearTimeout(timer)
  })
}
