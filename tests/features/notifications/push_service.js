// The browser's push service, which a test cannot reach: subscriptions are made here, with real keys.
{
  let current = null
  const encoded = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
  PushManager.prototype.getSubscription = async () => current
  PushManager.prototype.subscribe = async ({ applicationServerKey, userVisibleOnly }) => {
    window.subscribed = { applicationServerKey, userVisibleOnly }
    const pair = await crypto.subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, true, ['deriveBits'])
    const keys = { p256dh: encoded(await crypto.subtle.exportKey('raw', pair.publicKey)), auth: encoded(crypto.getRandomValues(new Uint8Array(16))) }
    const endpoint = `https://push.example.com/${encoded(crypto.getRandomValues(new Uint8Array(12)))}`
    const unsubscribe = async () => {
      current = null
      return true
    }
    return (current = { endpoint, toJSON: () => ({ endpoint, keys }), unsubscribe })
  }
}
