/** Notifications of the browser: at most one for each room, the latest. */
import { t } from '../../i18n'
import type { Notify } from '../../protocol'
import { isolated } from '../../ui/text'
import { registered, registerWorker } from './worker-client'

export type Permission = 'granted' | 'denied' | 'default' | 'unsupported'

const MAX_TEXT = 200
const ICON = '/static/icon-192.png'

const shown = new Map<string, { seq: number; notice: Notification }>()

export function permission(): Permission {
  return window.Notification && window.isSecureContext ? Notification.permission : 'unsupported'
}

/** Who has written, and where. */
export function headline({ from, title }: Notify): string {
  return title ? t('notifications.from_in', { name: isolated(from.name), room: isolated(title) }) : from.name
}

export function body({ text }: Notify, length = MAX_TEXT): string {
  if (!text) return t('notifications.something')
  const points = [...text]
  return points.length > length ? `${points.slice(0, length).join('')}…` : text
}

/** `open`: called on a click, after the page comes to the front. */
export async function notify(frame: Notify, open: () => void): Promise<void> {
  const { room, target: seq } = frame
  // As the server calls them in Web Push: one takes the place of the other.
  const options = { body: body(frame), tag: `room-${room}`, renotify: true, data: { room, seq } }
  const notice = await display(headline(frame), options, open)
  if (!notice) return
  shown.set(room, { seq, notice })
  notice.onclose = () => {
    if (shown.get(room)?.notice === notice) shown.delete(room)
  }
}

/** What a notification of this browser looks like. */
export async function notifyTest(): Promise<void> {
  await display('Hubbub', { body: t('notifications.test_body'), tag: 'test' }, () => undefined)
}

/** Null if the service worker shows it. Silent: the page plays its own sound. */
async function display(title: string, given: NotificationOptions, open: () => void): Promise<Notification | null> {
  const options = { ...given, icon: ICON, silent: true }
  let notice: Notification
  try {
    notice = new Notification(title, options)
  } catch {
    // Browsers of phones show those of a service worker only.
    await (await registerWorker())?.showNotification(title, options)
    return null
  }
  notice.onclick = () => {
    notice.close()
    window.focus()
    open()
  }
  return notice
}

/** Closes those of messages that have been read on any device. */
export async function closeRead(isRead: (room: string, seq: number) => boolean): Promise<void> {
  for (const [room, { seq, notice }] of shown) if (isRead(room, seq)) notice.close()
  const registration = await registered()
  for (const notice of (await registration?.getNotifications()) ?? []) {
    const { room, seq } = (notice.data ?? {}) as { room?: string; seq?: number }
    if (room !== undefined && seq !== undefined && isRead(room, seq)) notice.close()
  }
}
