/** The quizzes that run. Small: part of the entry chunk. */
import { shallowReactive } from 'vue'
import { t } from '../../i18n'
import type { KnownEvent, LogEvent } from '../../protocol'
import type { ChatSocket } from '../../socket'
import { renamedIn } from '../../stores/names'
import { isolated } from '../../ui/text'
import type { Quiz } from './quiz'

/** The quiz that runs in a room: shown above the messages, so that it does not move away with them. */
export const running = shallowReactive(new Map<string, Quiz>())

export function listen(socket: ChatSocket): void {
  const update = (room: string, events: LogEvent[], anew: boolean) => {
    if (running.has(room) || events.some(({ type }) => type.startsWith('quiz'))) void import('./update').then(({ updateRunning }) => updateRunning(room, events, anew))
  }
  socket.on('snapshot', ({ room, events }) => update(room, events, true))
  socket.on('events', ({ room, events }) => update(room, events, false))
  socket.on('user.updated', ({ user }) => {
    for (const [room, quiz] of running) running.set(room, renamedIn(quiz, user))
  })
  socket.on('room.left', ({ room }) => running.delete(room))
}

/** The sentence read to screen readers at the end. */
export function winnerOf(event: KnownEvent): string | null {
  if (event.type !== 'quiz.ended') return null
  const [first] = event.state.scores
  return first ? t('quiz.won', { name: isolated(first.name) }) : null
}
