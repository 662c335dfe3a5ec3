/**
 * Back closes a dialog: an open dialog has an entry of its own in the browser's history, at the same address.
 *
 * Dialogs that follow each other share the entry. A dialog that ends in a navigation replaces it, see `navigate`.
 */
import { nextTick, onBeforeUnmount, onMounted } from 'vue'
import { useRouter, type RouteLocationNamedRaw, type Router } from 'vue-router'

/** milliseconds; a browser that has not gone back by then does not */
const LEFT_WITHIN = 2_000
let open = 0
/** Set while the entry of the last dialog is being left, which takes the browser a moment. */
let returning: Promise<void> | null = null

export function useDialogHistory(close: () => void): void {
  const router = useRouter()
  let gone = false
  let stop: () => void = () => undefined

  onMounted(async () => {
    open++
    // Else this dialog would take that entry for its own, and close with it.
    if (returning) await returning
    if (!gone && !hasDialogEntry()) {
      await router.push({ path: router.currentRoute.value.fullPath, state: { dialog: true }, force: true })
    }
    if (gone) return leave(router)
    stop = router.afterEach(() => {
      if (!hasDialogEntry()) close()
    })
  })

  onBeforeUnmount(async () => {
    open--
    gone = true
    stop()
    // The dialog that follows this one is mounted by then.
    await nextTick()
    leave(router)
  })
}

/** Goes back from a dialog's entry where no dialog is open. */
function leave(router: Router): void {
  if (open > 0 || returning || !hasDialogEntry()) return
  returning = new Promise<void>((resolve) => {
    // The navigation to that entry may still end before.
    const stop = router.afterEach(() => {
      if (!hasDialogEntry()) left()
    })
    const timer = setTimeout(left, LEFT_WITHIN)
    function left(): void {
      clearTimeout(timer)
      stop()
      resolve()
    }
    router.back()
  }).finally(() => (returning = null))
}

/** Goes to a page. An open dialog closes by that, and Back leads to the page below it. */
export async function navigate(router: Router, to: RouteLocationNamedRaw): Promise<void> {
  if (hasDialogEntry()) await router.replace({ ...to, state: { dialog: null }, force: true })
  else await router.push(to)
}

function hasDialogEntry(): boolean {
  return Boolean((history.state as { dialog?: boolean } | null)?.dialog)
}
