import { useWords } from '../../src/i18n'
import en from '../../src/locales/en'

// Tests look for the English words.
useWords('en', en)
