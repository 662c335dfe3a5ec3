// @vitest-environment happy-dom
import { createPinia, setActivePinia } from 'pinia'
import { expect, test, vi } from 'vitest'
import { createApp } from 'vue'
import NoteVersions from '../../src/features/notes/NoteVersions.vue'

const PAGE = 50

test('versions beyond the first page are listed on demand', async () => {
  setActivePinia(createPinia())
  vi.stubGlobal('fetch', async (address: string) => {
    const before = Number(new URL(address, 'http://here').searchParams.get('before') ?? 61)
    const numbers = Array.from({ length: Math.min(PAGE, before - 1) }, (_, index) => before - 1 - index)
    const versions = numbers.map((version) => ({ version, at: '2026-11-30T10:00:00Z', authors: [{ id: 1, name: 'ada' }] }))
    return Response.json({ room: 'team', note: 7, versions, more: numbers.at(-1)! > 1 })
  })
  const page = document.body.appendChild(document.createElement('div'))
  const app = createApp(NoteVersions, { room: 'team', note: 7 })
  app.mount(page)
  const rows = () => page.querySelectorAll('li').length
  await vi.waitFor(() => expect(rows()).toBe(PAGE))
  page.querySelector<HTMLButtonElement>('.list-end__more')!.click()
  await vi.waitFor(() => expect(rows()).toBe(60))
  expect(page.querySelector('.list-end__more')).toBeNull()
  app.unmount()
  vi.unstubAllGlobals()
})
