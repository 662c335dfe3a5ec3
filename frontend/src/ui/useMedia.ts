import { onBeforeUnmount, ref, type Ref } from 'vue'

/** Whether a media query matches, as it changes. */
export function useMedia(query: string): Ref<boolean> {
  const list = matchMedia(query)
  const matches = ref(list.matches)
  const changed = () => (matches.value = list.matches)
  list.addEventListener('change', changed)
  onBeforeUnmount(() => list.removeEventListener('change', changed))
  return matches
}
