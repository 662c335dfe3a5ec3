/** What the socket needs from the outside world; tests hand in their own. */

export interface Clock {
  /** milliseconds */
  now(): number
  setTimeout(run: () => void, ms: number): unknown
  clearTimeout(handle: unknown): void
}

/** The part of the browser's WebSocket that is used. */
export interface WireSocket {
  readonly readyState: number
  onmessage: ((event: { data: unknown }) => void) | null
  onclose: ((event: { code: number }) => void) | null
  onerror: ((event: unknown) => void) | null
  send(data: string): void
  close(code?: number): void
}

export type NetworkChange = 'online' | 'offline' | 'visible'

export interface Network {
  online(): boolean
  /** Calls `listener` on each change until the returned function is called. */
  watch(listener: (change: NetworkChange) => void): () => void
}

/** What is used of Web Storage. */
export type KeyValueStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>

export const browserClock: Clock = {
  now: () => Date.now(),
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
}

export const browserNetwork: Network = {
  online: () => globalThis.navigator?.onLine !== false,
  watch(listener) {
    const online = () => listener('online')
    const offline = () => listener('offline')
    const visibility = () => {
      if (document.visibilityState === 'visible') listener('visible')
    }
    window.addEventListener('online', online)
    window.addEventListener('offline', offline)
    document.addEventListener('visibilitychange', visibility)
    return () => {
      window.removeEventListener('online', online)
      window.removeEventListener('offline', offline)
      document.removeEventListener('visibilitychange', visibility)
    }
  },
}

/** A version 4 UUID; also where `crypto.randomUUID` is missing, as on plain-http addresses. */
export function uuid(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID()
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
