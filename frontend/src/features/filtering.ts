/** The lists of a room, filtered by the server as one types. */
import type { Ref } from 'vue'
import type { Page } from '../api'
import type { ListPage } from '../protocol'
import { explained } from '../ui/reasons'
import { usePages, type Pages } from '../ui/usePages'
import { request } from './client'

/** One page of the entries of a list that match a query. @throws Error for people */
export async function filterList<Item>(room: string, list: string, query: string, after: string | null): Promise<Page<Item>> {
  try {
    const { items, next } = await request<ListPage>({ type: 'list.filter', room, list, query, after }, 'list.page')
    return { items: items as Item[], next }
  } catch (error) {
    throw new Error(explained(error))
  }
}

/** A list of a room, page by page: all entries by `whole`, or over the socket the entries that match the typed text. */
export function useFilteredList<Item>(
  room: () => string,
  list: string,
  query: Ref<string>,
  whole: (after: string | null) => Promise<Page<Item>>,
): Pages<Item> {
  return usePages<Item>(
    () => `${room()}\n${query.value.trim()}`,
    (_, after) => {
      const wanted = query.value.trim()
      return wanted ? filterList(room(), list, wanted, after) : whole(after)
    },
  )
}
