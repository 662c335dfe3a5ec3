/** The page's side of the service worker. */
const ADDRESS = '/sw.js'

/** Null where there is none: it is registered once something needs it. */
export async function registered(): Promise<ServiceWorkerRegistration | null> {
  if (!('serviceWorker' in navigator)) return null
  return (await navigator.serviceWorker.getRegistration('/')) ?? null
}

/** Ready to show notifications. Null where the browser has none, or forbids it. */
export async function registerWorker(): Promise<ServiceWorkerRegistration | null> {
  if (!('serviceWorker' in navigator)) return null
  try {
    await navigator.serviceWorker.register(ADDRESS, { scope: '/', updateViaCache: 'none' })
    return await navigator.serviceWorker.ready
  } catch {
    return null
  }
}

/** Calls `open` on a click on a notification of the worker; returns its end. */
export function onOpen(open: (room: string, seq: number) => void): () => void {
  if (!('serviceWorker' in navigator)) return () => undefined
  const heard = ({ data }: MessageEvent<{ open?: { room: string; seq: number } } | null>) => {
    if (data?.open) open(data.open.room, data.open.seq)
  }
  navigator.serviceWorker.addEventListener('message', heard)
  navigator.serviceWorker.startMessages()
  return () => navigator.serviceWorker.removeEventListener('message', heard)
}
