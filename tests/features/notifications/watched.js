// What a page raises, and a tab that is put behind another one: Chromium without a window keeps all of them visible.
{
  let behind = false
  window.raised = []
  window.sounds = 0
  window.icons = () => document.querySelector('link[rel=icon]').type
  window.putBehind = (now) => {
    behind = now
    document.dispatchEvent(new Event('visibilitychange'))
    window.dispatchEvent(new Event(now ? 'blur' : 'focus'))
  }
  Object.defineProperty(document, 'visibilityState', { get: () => (behind ? 'hidden' : 'visible') })
  document.hasFocus = () => !behind
  const Plain = window.Notification
  window.Notification = class extends Plain {
    constructor(title, options) {
      super(title, options)
      const one = { title, body: options.body, tag: options.tag, open: true }
      window.raised.push(one)
      window.latest = this
      const close = this.close.bind(this)
      this.close = () => {
        one.open = false
        close()
      }
    }
  }
  const Tone = window.OscillatorNode
  window.OscillatorNode = class extends Tone {
    constructor(...given) {
      super(...given)
      window.sounds++
    }
  }
}
