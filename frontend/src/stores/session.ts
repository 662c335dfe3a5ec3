import { defineStore } from 'pinia'
import { shallowRef } from 'vue'
import { api, ApiError } from '../api'
import type { Person } from '../protocol'
import type { ChatSocket } from '../socket'

/** Who is signed in. */
export const useSession = defineStore('session', () => {
  const me = shallowRef<Person | null>(null)

  /** @throws ApiError; without a session the browser is on its way to the sign-in page. */
  async function load(): Promise<Person> {
    try {
      me.value = await api.me()
      return me.value
    } catch (error) {
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) toSignIn()
      throw error
    }
  }

  async function signOut(): Promise<void> {
    await api.signOut()
    location.assign('/accounts/sign-in/')
  }

  function listen(socket: ChatSocket): void {
    socket.on('user.updated', ({ user }) => {
      if (user.id === me.value?.id) me.value = user
    })
  }

  return { me, load, signOut, listen }
})

/** The page comes back here afterwards. */
export function toSignIn(): void {
  const next = encodeURIComponent(location.pathname + location.search)
  location.assign(`/accounts/sign-in/?next=${next}`)
}
