import { ref } from 'vue'

export type Theme = 'system' | 'light' | 'dark'

const KEY = 'hubbub.theme'

export const theme = ref<Theme>(stored())

/** Kept for the next visit; src/theme.ts applies it before that page is painted. */
export function chooseTheme(choice: Theme): void {
  theme.value = choice
  const root = document.documentElement
  if (choice === 'system') delete root.dataset.theme
  else root.dataset.theme = choice
  try {
    if (choice === 'system') localStorage.removeItem(KEY)
    else localStorage.setItem(KEY, choice)
  } catch {
    // Storage can be forbidden; the choice then lasts as long as the page.
  }
}

function stored(): Theme {
  try {
    const choice = localStorage.getItem(KEY)
    return choice === 'light' || choice === 'dark' ? choice : 'system'
  } catch {
    return 'system'
  }
}
