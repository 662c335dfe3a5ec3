import { useRouter } from 'vue-router'
import type { Room } from '../api'
import { navigate } from '../ui/dialogHistory'
import { useRooms } from '../stores/rooms'

/** Becoming a member of a public room is opening it as one: the join on the socket does the rest. */
export function useJoin(): (room: Room) => void {
  const router = useRouter()
  const rooms = useRooms()
  return (room) => {
    rooms.put({ ...room, member: true, upto: room.head, unread: 0 })
    void navigate(router, { name: 'room', params: { room: room.slug } })
  }
}
