import { defineStore } from 'pinia'
import { computed, ref, shallowReactive } from 'vue'
import { api, ApiError } from '../api'
import { compare, t } from '../i18n'
import type { Person } from '../protocol'
import { announce } from '../ui/announcer'
import { isolated } from '../ui/text'

/** People I have blocked. Asked for when a view needs it; another device's blocks come with the next look. */
export const useBlocks = defineStore('blocks', () => {
  const people = shallowReactive(new Map<number, Person>())
  const loaded = ref(false)
  const failure = ref('')
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
    if (!loaded.value) void load()
  }

  async function read(): Promise<void> {
    try {
      const found = await api.blocks()
      people.clear()
      for (const person of found) people.set(person.id, person)
      loaded.value = true
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

  return { all, loaded, failure, has, load, ensure, block, unblock }
})
