/**
 * Back closes a dialog: an open dialog has an entry of its own in the browser's history, at the same address.
 *
 * Dialogs that follow each other share the entry. A dialog that ends in a navigation replaces it, see `navigate`.
 */
import { nextTick, onBeforeUnmount, onMounted } from 'vue'
import { useRouter, type RouteLocationNamedRaw, type Router } from 'vue-router'

let open = 0

export function useDialogHistory(close: () => void): void {
  const router = useRouter()
  let stop: () => void = () => undefined

  onMounted(async () => {
    open++
    if (!hasDialogEntry()) await router.push({ path: router.currentRoute.value.fullPath, state: { dialog: true }, force: true })
    stop = router.afterEach(() => {
      if (!hasDialogEntry()) close()
    })
  })

  onBeforeUnmount(async () => {
    open--
    stop()
    // The dialog that follows this one is mounted by then.
    await nextTick()
    if (open === 0 && hasDialogEntry()) router.back()
  })
}

/** Goes to a page. An open dialog closes by that, and Back leads to the page below it. */
export async function navigate(router: Router, to: RouteLocationNamedRaw): Promise<void> {
  if (hasDialogEntry()) await router.replace({ ...to, state: { dialog: null }, force: true })
  else await router.push(to)
}

function hasDialogEntry(): boolean {
  return Boolean((history.state as { dialog?: boolean } | null)?.dialog)
}
