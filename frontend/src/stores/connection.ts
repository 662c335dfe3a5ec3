import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { api, ApiError, cookie } from '../api'
import { Close, type Hello } from '../protocol'
import { ChatSocket, type ConnectionState, type OutgoingFrame } from '../socket'
import { browserClock, type WireSocket } from '../socket/environment'
import { StreamSocket } from '../socket/stream'
import { transports } from '../socket/transport'
import { toSignIn } from './session'

/** Shorter interruptions, such as moving to another server process, are not worth a word. */
const WORTH_SAYING = 1_500

/** The only socket and its state. */
export const useConnection = defineStore('connection', () => {
  const state = shallowRef<ConnectionState>({ name: 'connecting' })
  const interrupted = ref(false)
  const textLimit = ref(10_000)
  /** the latest greeting; stays while there is no connection */
  const hello = shallowRef<Hello | null>(null)
  const unsent = shallowRef<OutgoingFrame[]>([])
  let socket: ChatSocket | null = null
  let timer: ReturnType<typeof setTimeout> | undefined

  const isOpen = computed(() => state.value.name === 'open')
  /** What was last known about others still holds: connected, or away for a blink only. */
  const isLive = computed(() => isOpen.value || (['connecting', 'waiting'].includes(state.value.name) && !interrupted.value))

  function start(owner: number): ChatSocket {
    const url = new URL('/ws/', location.href)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    const open = transports({
      openSocket: (address) => new WebSocket(address) as WireSocket,
      openStream: () => new StreamSocket(() => cookie('csrftoken')),
      clock: browserClock,
      random: Math.random,
    })
    socket = new ChatSocket({ url: url.href, owner: String(owner), storage: browserStorage(), open })
    unsent.value = socket.unsent()
    socket.on('state', stateChanged)
    socket.on('hello', (greeting) => {
      hello.value = greeting
      textLimit.value = greeting.limits.text
    })
    socket.on('features.updated', ({ features }) => {
      if (hello.value) hello.value = { ...hello.value, features }
    })
    socket.on('outbox', (frames) => (unsent.value = frames))
    socket.connect()
    return socket
  }

  function stateChanged(next: ConnectionState): void {
    state.value = next
    if (next.name === 'refused') void refusedWith(next.code)
    if (next.name === 'open' || next.name === 'closed' || next.name === 'refused') {
      clearTimeout(timer)
      timer = undefined
      interrupted.value = false
    } else {
      timer ??= setTimeout(() => (interrupted.value = true), WORTH_SAYING)
    }
  }

  async function refusedWith(code: number): Promise<void> {
    if (code !== Close.BAD_CREDENTIALS) return toSignIn()
    // A good session is refused where the address is not the server's own: signing in again would lead back here for ever.
    try {
      await api.me()
    } catch (error) {
      if (error instanceof ApiError && error.status !== 0) toSignIn()
    }
  }

  /** @throws Error before `start` */
  function chat(): ChatSocket {
    if (!socket) throw new Error('The socket is used before the session is known.')
    return socket
  }

  return { state, isOpen, isLive, interrupted, textLimit, hello, unsent, start, chat }
})

function browserStorage(): Storage | null {
  try {
    return localStorage
  } catch {
    return null
  }
}
