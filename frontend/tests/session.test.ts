import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { api } from '../src/api'
import { addFiles } from '../src/features/files/uploads'
import { useConnection } from '../src/stores/connection'
import { useSession } from '../src/stores/session'
import { endAll, toasts } from '../src/ui/toasts'

const reload = vi.fn()
const refusal = { code: 'other_user', detail: 'Another person is signed in.' }

/** An upload that the server refuses. */
class RefusedUpload extends EventTarget {
  static headers: Record<string, string> = {}
  readonly upload = new EventTarget()
  readonly status = 412
  readonly responseText = JSON.stringify(refusal)
  open = () => undefined
  setRequestHeader = (name: string, value: string) => (RefusedUpload.headers[name] = value)
  send = () => this.dispatchEvent(new Event('loadend'))
}

beforeEach(async () => {
  vi.useFakeTimers()
  setActivePinia(createPinia())
  reload.mockClear()
  vi.stubGlobal('location', { reload })
  vi.stubGlobal('document', { cookie: 'csrftoken=abc' })
  vi.stubGlobal('fetch', async () => Response.json({ user: { id: 7, name: 'ada' } }))
  await useSession().load()
  vi.stubGlobal('fetch', async () => Response.json(refusal, { status: 412 }))
})

afterEach(() => {
  endAll()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

test('a page of another person says so, and loads again once', async () => {
  await expect(api.mentions()).rejects.toMatchObject({ code: 'other_user' })
  await expect(api.mentions()).rejects.toMatchObject({ code: 'other_user' })
  expect(toasts.value.map(({ text }) => text)).toEqual(['You are signed in as another person in this browser. The page loads again.'])
  expect(reload).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(reload).toHaveBeenCalledTimes(1)
})

test('an upload of another person does so, too', async () => {
  vi.stubGlobal('XMLHttpRequest', RefusedUpload)
  useConnection().state = { name: 'open', hello: {} as never }
  addFiles('lobby', [new File(['abc'], 'a.txt')])
  await vi.advanceTimersByTimeAsync(5_000)
  expect(RefusedUpload.headers).toEqual({ 'Hubbub-User': '7', 'X-CSRFToken': 'abc' })
  expect(reload).toHaveBeenCalledTimes(1)
})
