/**
 * The service worker of the page, served at /sw.js. It caches nothing: the page is always the server's.
 *
 * A feature that has to act without a page brings a `worker.ts`. Nothing in here may be shared with the page, or the build, a plain
 * script, would import a chunk.
 */
declare const self: ServiceWorkerGlobalScope

import.meta.glob('./features/*/worker.ts', { eager: true })

// A new version takes the place of an old one at once, in pages that are open, too.
self.addEventListener('install', () => void self.skipWaiting())
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))
