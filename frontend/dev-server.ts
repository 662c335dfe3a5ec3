/**
 * `npm run dev`: Vite serves the sources and reloads them; pages, API and sockets come from a running Hubbub.
 *
 * HUBBUB_URL says where that is (http://127.0.0.1:8000, as `make run` starts it).
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Plugin } from 'vite'

export function besideHubbub(target: string): Plugin {
  return {
    name: 'beside-hubbub',
    apply: 'serve',
    config: () => ({
      server: {
        proxy: {
          '^/(?!static/)': {
            target,
            ws: true,
            changeOrigin: true,
            // The server knows its own address only.
            headers: { origin: target },
            selfHandleResponse: true,
            configure: (proxy) => proxy.on('proxyRes', (answer, _, response) => void hand(answer, response)),
          },
        },
      },
    }),
  }
}

async function hand(answer: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers = { ...answer.headers }
  // The product's policy forbids parts of Vite's own client.
  delete headers['content-security-policy']
  if (!String(headers['content-type']).startsWith('text/html')) {
    response.writeHead(answer.statusCode ?? 502, headers)
    answer.pipe(response)
    return
  }
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  delete headers['content-length']
  response.writeHead(answer.statusCode ?? 502, headers)
  response.end(fromSources(Buffer.concat(chunks).toString()))
}

/** Built files out, their sources in. */
function fromSources(page: string): string {
  return page
    .replace(/<link[^>]*rel="(?:stylesheet|modulepreload)"[^>]*>/g, '')
    .replace(/\/static\/assets\/(main|account|theme)-[\w-]+\.js/g, '/static/src/$1.ts')
    .replace('</head>', '<script type="module" src="/static/@vite/client"></script></head>')
}
