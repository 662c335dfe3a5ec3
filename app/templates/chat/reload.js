// In the page itself, for a file can fail to load: a network that changes while the page loads costs it modules, and it would stay blank.
{
  const KEY = 'hubbub.reloads'
  const FIRST_MS = 1_000
  const LONGEST_MS = 30_000
  // A page that is still there is not one that fails to load.
  const STAYS_MS = 60_000
  let reloading = false

  function comeBack() {
    if (reloading || document.querySelector('#app')?.childElementCount) return
    reloading = true
    let before = 0
    try {
      before = Number(sessionStorage.getItem(KEY))
      sessionStorage.setItem(KEY, String(before + 1))
    } catch {
      // Storage can be forbidden; each pause is then the shortest.
    }
    // A file of the head may fail before the body is there.
    const notice = document.querySelector('#reloading')
    if (notice) notice.hidden = false
    setTimeout(() => location.reload(), Math.min(LONGEST_MS, FIRST_MS * 2 ** before) * (0.5 + Math.random()))
  }

  const tellsOfImport = (reason) => /import|preload/i.test(String(reason))
  // The entry's error event tells of any module below it; the window's, of the words of the language, which the entry imports itself.
  addEventListener('error', (event) => (event.target instanceof HTMLScriptElement || tellsOfImport(event.error)) && comeBack(), true)
  addEventListener('unhandledrejection', ({ reason }) => tellsOfImport(reason) && comeBack())
  setTimeout(() => {
    if (reloading) return
    try {
      sessionStorage.removeItem(KEY)
    } catch {
      // As above.
    }
  }, STAYS_MS)
}
