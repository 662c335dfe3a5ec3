import { defineStore } from 'pinia'
import { computed, ref, shallowReactive } from 'vue'
import { api, ApiError } from '../api'
import { compare, t } from '../i18n'
import type { Person } from '../protocol'
import type { ChatSocket } from '../socket'
import { announce } from '../ui/announcer'
import { isolated } from '../ui/text'

/** People I have blocked, on any device. Asked for when a view needs it. */
export const useBlocks = defineStore('blocks', () => {
  const people = shallowReactive(new Map<number, Person>())
  const loaded = ref(false)
  const failure = ref('')
  /** whether there was no connection since the list was read */
  let old = false
  let asking: Promise<void> | null = null

  const all = computed(() => [...people.values()].sort((a, b) => compare(a.name, b.name)))

  function has(id: number): boolean {
    return people.has(id)
  }

  function load(): Promise<void> {
    return (asking ??= read().finally(() => (asking = null)))
  }

  /** Asks unless the list is there. */
  function ensure(): void {
    if (!loaded.value || old) void load()
  }

  async function read(): Promise<void> {
    try {
      const found = await api.blocks()
      people.clear()
      for (const person of found) people.set(person.id, person)
      loaded.value = true
      old = false
      failure.value = ''
    } catch (error) {
      failure.value = (error as Error).message
    }
  }

  /** @throws ApiError */
  async function block({ id }: Person): Promise<void> {
    const person = await api.block(id)
    people.set(id, person)
    announce(t('blocks.blocked', { name: isolated(person.name) }))
  }

  /** @throws ApiError */
  async function unblock({ id, name }: Person): Promise<void> {
    try {
      await api.unblock(id)
    } catch (error) {
      // Ended on another device.
      if (!(error instanceof ApiError && error.status === 404)) throw error
    }
    people.delete(id)
    announce(t('blocks.unblocked', { name: isolated(name) }))
  }

  function listen(socket: ChatSocket): void {
    socket.on('blocks.updated', () => {
      // An answer on its way may be older than the change.
      if (asking) void asking.then(load)
      else if (loaded.value) void load()
    })
    // What changed without a connection was not told: the next view asks.
    socket.on('hello', () => {
      old = true
    })
  }

  return { all, loaded, failure, has, load, ensure, block, unblock, listen }
})
