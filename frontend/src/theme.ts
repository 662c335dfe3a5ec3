// Loaded as a plain script before the page is painted, so a chosen theme never flashes the other one.
// It must stay free of imports: a module would only run after the first paint.
{
  let chosen: string | null = null
  try {
    chosen = localStorage.getItem('hubbub.theme')
  } catch {
    // Storage can be forbidden; the system's theme is used then.
  }
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen
}
