import { defineFeature } from '../registry'

/** The connection without WebSockets. The page changes over by itself: src/socket/transport.ts. */
export default defineFeature({
  name: 'stream',
  about: () => import('./about'),
})
