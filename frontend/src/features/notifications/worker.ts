/** Web Push: shows notifications while no page is visible; a click opens the message. */
export {}
declare const self: ServiceWorkerGlobalScope

/** What the server sends: its words are in the language of the device. */
interface Message {
  /** empty in a test */
  room: string
  seq: number
  title: string
  body: string
  tag: string
}

const ICON = '/static/icon-192.png'
const DEVICES = '/api/notifications/devices'

self.addEventListener('push', (event) => event.waitUntil(pushed(read(event.data))))
self.addEventListener('notificationclick', (event) => event.waitUntil(clicked(event.notification)))
self.addEventListener('pushsubscriptionchange', (event) => event.waitUntil(changed(event as PushSubscriptionChangeEvent)))

/** Browsers require that a push is shown: an unreadable one gets a general text. */
function read(data: PushMessageData | null): Partial<Message> {
  try {
    return (data?.json() ?? {}) as Partial<Message>
  } catch {
    return {}
  }
}

async function pushed({ room = '', seq = 0, title = 'Hubbub', body = '', tag = 'hubbub' }: Partial<Message>): Promise<void> {
  if (room && (await pages()).some((page) => page.focused && page.visibilityState === 'visible' && roomOf(page.url) === room)) return
  // Newer ones of a room take the place of older ones, and are heard again.
  const options = { body, tag, renotify: true, icon: ICON, data: { room, seq } }
  await self.registration.showNotification(title, options)
}

async function clicked(notice: Notification): Promise<void> {
  notice.close()
  const { room, seq } = notice.data as { room: string; seq: number }
  const known = await pages()
  const page = known.find(({ url }) => roomOf(url) === room) ?? known.find(({ focused }) => focused) ?? known[0]
  if (!page) {
    await self.clients.openWindow(room ? `/chat/${encodeURIComponent(room)}/${seq}` : '/chat/')
    return
  }
  // Before the page comes to the front, which some browsers refuse.
  if (room) page.postMessage({ open: { room, seq } })
  await page.focus()
}

/** The browser has changed or dropped the subscription. Without its key the next visit of the page mends it. */
async function changed(event: PushSubscriptionChangeEvent): Promise<void> {
  const key = event.oldSubscription?.options.applicationServerKey
  const subscription = event.newSubscription ?? (key ? await self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key }) : null)
  const token = await self.cookieStore?.get('csrftoken')
  if (!subscription || !token?.value) return
  const { endpoint, keys } = subscription.toJSON()
  await fetch(DEVICES, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-CSRFToken': token.value },
    body: JSON.stringify({ endpoint, keys, label: '' }),
    signal: AbortSignal.timeout(10_000),
  })
}

async function pages(): Promise<readonly WindowClient[]> {
  return self.clients.matchAll({ type: 'window', includeUncontrolled: true })
}

/** The room that a page shows; null for none. */
function roomOf(url: string): string | null {
  const [, place, room] = new URL(url).pathname.split('/')
  return place === 'chat' && room ? decodeURIComponent(room) : null
}
