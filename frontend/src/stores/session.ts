import { defineStore } from 'pinia'
import { shallowRef } from 'vue'
import { api, ApiError, callAs } from '../api'
import { t } from '../i18n'
import type { Person } from '../protocol'
import type { ChatSocket } from '../socket'
import { toast } from '../ui/toasts'

/** Enough to read why. */
const RELOAD_MS = 3_000

/** Who is signed in. */
export const useSession = defineStore('session', () => {
  const me = shallowRef<Person | null>(null)
  let reloading = false

  /** @throws ApiError; without a session the browser is on its way to the sign-in page. */
  async function load(): Promise<Person> {
    try {
      me.value = await api.me()
      callAs(me.value.id, reload)
      return me.value
    } catch (error) {
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) toSignIn()
      throw error
    }
  }

  /** Another person has signed in with the browser's other tab. Drafts and unsent messages stay, under the name of this one. */
  function reload(): void {
    if (reloading) return
    reloading = true
    toast(t('errors.other_user'), { kind: 'failure' })
    setTimeout(() => location.reload(), RELOAD_MS)
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
