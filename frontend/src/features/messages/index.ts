import { isolated } from '../../ui/text'
import { defineFeature } from '../registry'
import MessageRow from './MessageRow.vue'
import OutgoingMessage from './OutgoingMessage.vue'

/** Messages, and what is done with them. Its rows are part of the entry chunk: every room needs them at once. */
export default defineFeature({
  name: 'messages',
  rows: { message: MessageRow },
  outgoing: { 'message.send': OutgoingMessage },
  announce: (event) => (event.type === 'message' ? `${isolated(event.from.name)}: ${isolated(event.text)}` : null),
  enabled: () => true,
})
