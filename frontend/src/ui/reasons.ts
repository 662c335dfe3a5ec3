import { allFeatures } from '../features/registry'
import { has, t } from '../i18n'
import { OutboxFull, RequestFailed } from '../socket'
import { MAX_FRAMES } from '../socket/outbox'

/** Why a frame was refused, in a sentence: by its code (`errors` in the locales of the shell or a feature), else in the server's words. */
export function reasonOf({ code, message }: { code: string; message: string }): string {
  const keys = [`errors.${code}`, ...allFeatures().map(({ name }) => `${name}.errors.${code}`)]
  const key = keys.find(has)
  return key ? t(key) : message
}

/** What went wrong, in a sentence for people. The API's errors come in the reader's language. */
export function explained(error: unknown): string {
  if (error instanceof RequestFailed) return reasonOf(error)
  if (error instanceof OutboxFull) return t('errors.outbox_full', { count: MAX_FRAMES })
  return (error as Error).message
}
