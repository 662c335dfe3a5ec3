import { defineFeature } from '../registry'

/** The demo page, which is the server’s. */
export default defineFeature({
  name: 'demo',
  about: () => import('./about'),
})
