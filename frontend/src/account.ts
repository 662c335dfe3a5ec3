/** Style and small comforts of the pages that Django renders: sign-in, sign-up, password, errors. */
import './ui/base.css'
import './ui/account.css'

for (const toggle of document.querySelectorAll<HTMLButtonElement>('[data-reveals]')) {
  const input = document.getElementById(toggle.dataset.reveals!)
  if (!(input instanceof HTMLInputElement)) continue
  toggle.hidden = false
  toggle.addEventListener('click', () => {
    const reveal = input.type === 'password'
    input.type = reveal ? 'text' : 'password'
    toggle.textContent = toggle.dataset[reveal ? 'hide' : 'show']!
    toggle.setAttribute('aria-pressed', String(reveal))
    input.focus()
  })
}

for (const form of document.querySelectorAll('form')) {
  const button = form.querySelector<HTMLButtonElement>('button[type=submit]')
  form.addEventListener('submit', () => button?.setAttribute('disabled', ''))
  // Coming back with the browser's history shows the page as it was left.
  window.addEventListener('pageshow', () => button?.removeAttribute('disabled'))
}
