import { watch, type Ref } from 'vue'
import { useConnection } from '../stores/connection'

/** Asks again what failed, as soon as there is a connection: it was asked without one, or lost with it. */
export function askAgainOnceConnected(failure: Readonly<Ref<string>>, ask: () => unknown): void {
  const connection = useConnection()
  watch(
    () => connection.isOpen,
    (isOpen) => isOpen && failure.value && ask(),
  )
}
