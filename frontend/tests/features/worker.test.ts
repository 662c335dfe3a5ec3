import { beforeEach, expect, test, vi } from 'vitest'

interface Page {
  url: string
  focused: boolean
  visibilityState: string
  postMessage: (message: unknown) => void
  focus: () => Promise<void>
}

/** Not imported by name: its types are those of workers. */
const worker = import.meta.glob('../../src/features/*/worker.ts')
const handlers = new Map<string, (event: object) => void>()
const shown: { title: string; body: string; tag: string; data: unknown }[] = []
const opened: string[] = []
const posted: unknown[] = []
let pages: Page[]

function page(path: string, seen = true): Page {
  const url = `https://chat.example${path}`
  return { url, focused: seen, visibilityState: seen ? 'visible' : 'hidden', postMessage: (message) => posted.push([path, message]), focus: async () => void posted.push(`focus ${path}`) }
}

beforeEach(async () => {
  pages = []
  for (const list of [shown, opened, posted]) list.length = 0
  vi.stubGlobal('self', {
    addEventListener: (name: string, handle: (event: object) => void) => handlers.set(name, handle),
    clients: { matchAll: async () => pages, openWindow: async (url: string) => opened.push(url) },
    registration: {
      showNotification: async (title: string, options: { body: string; tag: string; data: unknown }) => shown.push({ title, body: options.body, tag: options.tag, data: options.data }),
    },
  })
  if (!handlers.size) await worker['../../src/features/notifications/worker.ts']!()
})

/** Calls the handler of an event and waits for its end. */
async function happens(name: string, event: object): Promise<void> {
  const waits: Promise<unknown>[] = []
  handlers.get(name)!({ ...event, waitUntil: (done: Promise<unknown>) => waits.push(done) })
  await Promise.all(waits)
}

const push = (message: unknown) => happens('push', { data: message === undefined ? null : { json: () => JSON.parse(JSON.stringify(message)) as unknown } })
const MESSAGE = { room: 'den', seq: 7, title: 'Ada in Den', body: 'tea?', url: '/chat/den/7', tag: 'room-den' }

test('a push becomes a notification that knows its message', async () => {
  await push(MESSAGE)
  expect(shown).toEqual([{ title: 'Ada in Den', body: 'tea?', tag: 'room-den', data: { room: 'den', seq: 7 } }])
})

test.each<[string, Page, number]>([
  ['the room on screen', page('/chat/den/'), 0],
  ['one of its messages on screen', page('/chat/den/3'), 0],
  ['the room behind', page('/chat/den/', false), 1],
  ['another room', page('/chat/garden/'), 1],
  ['no room', page('/chat/'), 1],
])('a push while a page shows %s', async (_, one, expected) => {
  pages = [one]
  await push(MESSAGE)
  expect(shown).toHaveLength(expected)
})

test('a test notification is shown beside any page', async () => {
  pages = [page('/chat/')]
  await push({ room: '', seq: 0, title: 'Hubbub', body: 'It works.', url: '/', tag: 'test' })
  expect(shown).toHaveLength(1)
})

test('rooms are compared as they are called, not as addresses write them', async () => {
  pages = [page('/chat/%E8%8C%B6/')]
  await push({ ...MESSAGE, room: '茶' })
  expect(shown).toHaveLength(0)
})

test('a push that cannot be read is shown all the same', async () => {
  await push(undefined)
  await happens('push', { data: { json: () => JSON.parse('{') as unknown } })
  expect(shown.map(({ title }) => title)).toEqual(['Hubbub', 'Hubbub'])
})

test('a click leads to the message in a page that is there, or in a new one', async () => {
  const notification = { close: vi.fn(), data: { room: '茶', seq: 7 } }
  await happens('notificationclick', { notification })
  expect(notification.close).toHaveBeenCalled()
  expect(opened).toEqual(['/chat/%E8%8C%B6/7'])
  pages = [page('/chat/garden/'), page('/chat/%E8%8C%B6/', false)]
  await happens('notificationclick', { notification })
  expect(posted).toEqual([['/chat/%E8%8C%B6/', { open: { room: '茶', seq: 7 } }], 'focus /chat/%E8%8C%B6/'])
  expect(opened).toHaveLength(1)
})

test('a subscription that the browser dropped is made again and told to the server', async () => {
  const asked: [string, RequestInit][] = []
  vi.stubGlobal('fetch', async (url: string, request: RequestInit) => asked.push([url, request]))
  const subscription = { toJSON: () => ({ endpoint: 'https://push.example/2', keys: { p256dh: 'p', auth: 'a' } }) }
  const key = new ArrayBuffer(65)
  Object.assign(self, {
    registration: { pushManager: { subscribe: async (options: object) => (expect(options).toEqual({ userVisibleOnly: true, applicationServerKey: key }), subscription) } },
    cookieStore: { get: async () => ({ value: 'token' }) },
  })
  await happens('pushsubscriptionchange', { oldSubscription: { options: { applicationServerKey: key } }, newSubscription: null })
  const [[url, request]] = asked as [[string, RequestInit]]
  expect(url).toBe('/api/notifications/devices')
  expect(request.headers).toMatchObject({ 'X-CSRFToken': 'token' })
  expect(JSON.parse(request.body as string)).toMatchObject({ endpoint: 'https://push.example/2', keys: { p256dh: 'p', auth: 'a' } })
})
