// In the page itself, for a file can fail to load: a network that changes while the page loads costs it modules, and it would stay blank.
{
  const KEY = 'hubbub.reloads'
  const STYLE_KEY = 'hubbub.reloads.style'
  const FIRST_MS = 1_000
  const LONGEST_MS = 30_000
  // A page that is still there is not one that fails to load.
  const STAYS_MS = 60_000
  let reloading = false

  // A file of the head may fail before the body is there.
  function show(id) {
    const notice = document.querySelector(`#${id}`)
    if (notice) {
      notice.hidden = false
      // It lies above the app, which may be there without its stylesheet and scrolls to its composer.
      Object.assign(notice.style, { position: 'sticky', top: '0', zIndex: '9', margin: '0', padding: '1em', color: 'CanvasText', background: 'Canvas' })
    } else addEventListener('DOMContentLoaded', () => show(id), { once: true })
  }

  function reload(pause) {
    reloading = true
    show('reloading')
    setTimeout(() => location.reload(), pause * (0.5 + Math.random()))
  }

  function comeBack() {
    if (reloading || document.querySelector('#app')?.childElementCount) return
    let before = 0
    try {
      before = Number(sessionStorage.getItem(KEY))
      sessionStorage.setItem(KEY, String(before + 1))
    } catch {
      // Storage can be forbidden; each pause is then the shortest.
    }
    reload(Math.min(LONGEST_MS, FIRST_MS * 2 ** before))
  }

  // The app works without its styles: it is reloaded once, and then left to the person.
  function comeBackStyled() {
    if (reloading) return
    try {
      if (sessionStorage.getItem(STYLE_KEY) === null) {
        sessionStorage.setItem(STYLE_KEY, '1')
        reload(FIRST_MS)
        return
      }
    } catch {
      // Without storage nothing would end the reloads.
    }
    show('unstyled')
  }

  const tellsOfImport = (reason) => /import|preload/i.test(String(reason))
  // The entry's error event tells of any module below it; the window's, of the words of the language, which the entry imports itself.
  // A stylesheet of a part that is loaded later is not the entry's: that part tells of it.
  addEventListener(
    'error',
    ({ target, error }) => {
      if (target instanceof HTMLLinkElement && target.matches('.entry[rel=stylesheet]')) comeBackStyled()
      else if (target instanceof HTMLScriptElement || tellsOfImport(error)) comeBack()
    },
    true,
  )
  addEventListener('unhandledrejection', ({ reason }) => tellsOfImport(reason) && comeBack())
  setTimeout(() => {
    if (reloading) return
    try {
      sessionStorage.removeItem(KEY)
      sessionStorage.removeItem(STYLE_KEY)
    } catch {
      // As above.
    }
  }, STAYS_MS)
}
