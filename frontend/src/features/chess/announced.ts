import { t } from '../../i18n'
import type { KnownEvent } from '../../protocol'
import { isolated } from '../../ui/text'

/** What is read to screen readers of another person's event in a game. */
export function announced(event: KnownEvent): string | null {
  if (event.type === 'chess') return t('chess.offers', { name: isolated(event.from.name) })
  if (event.type === 'chess.moved') return t('chess.moved', { name: isolated(event.from.name), move: event.state.san.at(-1)! })
  return event.type === 'chess.ended' ? t('chess.over', { result: event.state.result ?? '*' }) : null
}
