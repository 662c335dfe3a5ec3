import { shallowReactive } from 'vue'

/** room → the note that its panel shows; without one it lists them */
export const shownNotes = shallowReactive(new Map<string, { note: number; title: string }>())
