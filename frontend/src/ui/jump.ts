import { ref } from 'vue'
import { useRouter } from 'vue-router'
import { navigate } from './dialogHistory'

/** Rises when a message is asked for that the address names already. */
export const again = ref(0)

/** Shows a message of a room, wherever it is. */
export function useJump(): (room: string, seq: number) => void {
  const router = useRouter()
  return (room, seq) => {
    const { params } = router.currentRoute.value
    if (params.room === room && params.seq === String(seq)) again.value++
    else void navigate(router, { name: 'message', params: { room, seq } })
  }
}
