import { t } from '../../i18n'
import type { LogEvent } from '../../protocol'
import { isolated } from '../../ui/text'

/** What is read to screen readers of another person's event in a game. */
export function announced(event: LogEvent): string | null {
  const { type, from, state } = event as unknown as { type: string; from: { name: string }; state?: { san: string[]; result: string } }
  if (type === 'chess') return t('chess.offers', { name: isolated(from.name) })
  if (type === 'chess.moved' && state) return t('chess.moved', { name: isolated(from.name), move: state.san.at(-1)! })
  return type === 'chess.ended' && state ? t('chess.over', { result: state.result }) : null
}
