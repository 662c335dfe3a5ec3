/** Web Push on this device: the browser's subscription, and the server's entry for it. */
import { ref } from 'vue'
import { t } from '../../i18n'
import { useSession } from '../../stores/session'
import { addDevice, devices, preferences, removeDevice } from './settings'
import { registered, registerWorker } from './worker-client'

/** What this browser has registered, and for whom. */
interface Registered {
  id: number
  owner: number
  endpoint: string
  /** the server's key that it was made with */
  key: string
}

const NAME = 'hubbub.push'

/** The server's id of this device; null while it gets no Web Push. */
export const ownDevice = ref<number | null>(mine()?.id ?? null)

export function canPush(): boolean {
  return 'serviceWorker' in navigator && Boolean(window.PushManager) && window.isSecureContext && Boolean(preferences.value?.push_key)
}

/** @throws ApiError, or Error in words where the browser does not subscribe: it may reach no push service */
export async function turnOn(): Promise<void> {
  const key = preferences.value?.push_key
  const registration = key ? await registerWorker() : null
  const subscription = key && registration ? await subscribed(registration, key) : null
  if (!key || !subscription) {
    const reason = t('notifications.push_failed')
    throw new Error(reason)
  }
  const { endpoint, keys } = subscription.toJSON() as { endpoint: string; keys: { p256dh: string; auth: string } }
  const id = await addDevice({ endpoint, keys }, label())
  keep({ id, owner: useSession().me!.id, endpoint, key })
}

/** The server forgets this device even where the browser has forgotten its subscription. */
export async function turnOff(): Promise<void> {
  const known = mine()
  keep(null)
  const subscription = await current()
  await Promise.allSettled([subscription?.unsubscribe(), known ? removeDevice(known.id) : undefined])
}

/** Browsers change or drop subscriptions, the server its key, and people share browsers: brings this device in order. */
export async function mend(): Promise<void> {
  const known = stored()
  if (!known) return
  if (known.owner !== useSession().me?.id) {
    keep(null)
    await (await current())?.unsubscribe()
    return
  }
  const subscription = await current()
  if (Notification.permission !== 'granted' || !canPush()) return turnOff()
  if (subscription?.endpoint === known.endpoint && known.key === preferences.value?.push_key) {
    // Somebody has taken it off the list, on another device.
    if (!devices.value.some(({ id }) => id === known.id)) await turnOff()
    return
  }
  await turnOn()
}

async function current(): Promise<PushSubscription | null> {
  return (await (await registered())?.pushManager?.getSubscription()) ?? null
}

async function subscribed(registration: ServiceWorkerRegistration, key: string): Promise<PushSubscription | null> {
  try {
    const old = await registration.pushManager.getSubscription()
    // A subscription belongs to one key.
    if (old && stored()?.key !== key) await old.unsubscribe()
    return await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key })
  } catch {
    return null
  }
}

/** How the device is called in the list of devices. */
function label(): string {
  const { userAgent } = navigator
  const browser = /(Firefox|Edg|OPR|SamsungBrowser|Chrome|Safari)\//.exec(userAgent)?.[1]
  const system = /Windows|Android|iPhone|iPad|Mac OS|CrOS|Linux/.exec(userAgent)?.[0]
  const newer = /(Edg|OPR|SamsungBrowser)\//.exec(userAgent)?.[1]
  return t('notifications.browser_on', { browser: newer ?? browser ?? '?', system: system ?? '?' })
}

function mine(): Registered | null {
  const known = stored()
  return known && known.owner === useSession().me?.id ? known : null
}

function stored(): Registered | null {
  try {
    return JSON.parse(localStorage.getItem(NAME) ?? 'null') as Registered | null
  } catch {
    return null
  }
}

function keep(known: Registered | null): void {
  ownDevice.value = known?.id ?? null
  try {
    if (known) localStorage.setItem(NAME, JSON.stringify(known))
    else localStorage.removeItem(NAME)
  } catch {
    // Storage is full or forbidden: the next visit does not know of the subscription.
  }
}
