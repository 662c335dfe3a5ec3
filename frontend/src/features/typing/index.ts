import { defineFeature } from '../registry'
import { useTyping } from './store'
import TypingLine from './TypingLine.vue'

/** The line below the messages that says who is typing. */
export default defineFeature({
  name: 'typing',
  about: () => import('./about'),
  footer: { component: TypingLine },
  typed: (room) => useTyping().tell(room),
  start: (socket, me) => useTyping().listen(socket, me),
  // Servers without a registry have it, too.
  enabled: ({ features }) => features?.includes('typing') ?? true,
})
