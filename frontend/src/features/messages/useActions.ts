import { Copy, Link, Pencil, Reply, Trash2 } from '@lucide/vue'
import { computed, type Component } from 'vue'
import { t } from '../../i18n'
import type { MessageEvent } from '../../protocol'
import { copyText } from '../../ui/copy'
import { toast } from '../../ui/toasts'
import { useAmendments } from './amendments'
import { useReplying } from './replying'

export interface Action {
  id: 'reply' | 'edit' | 'link' | 'copy' | 'delete'
  label: string
  icon: Component
  run: () => void
}

/** What can be done with a message, besides reacting to it. */
export function useActions(event: () => MessageEvent) {
  const amendments = useAmendments()
  const replying = useReplying()
  const message = computed(() => amendments.shown(event()))

  const actions = computed<Action[]>(() => {
    const of = message.value
    if (of.deleted) return []
    return [
      ...(replying.isKnown() ? [{ id: 'reply' as const, label: t('messages.reply'), icon: Reply, run: () => replying.start(of) }] : []),
      ...(amendments.mayEdit(of) ? [{ id: 'edit' as const, label: t('messages.edit'), icon: Pencil, run: () => amendments.startEdit(of) }] : []),
      { id: 'link', label: t('messages.copy_link'), icon: Link, run: () => void copyLink(of) },
      { id: 'copy', label: t('messages.copy_text'), icon: Copy, run: () => void copied(of.text, t('messages.text_copied')) },
      ...(amendments.mayDelete(of) ? [{ id: 'delete' as const, label: t('messages.delete'), icon: Trash2, run: () => amendments.remove(of) }] : []),
    ]
  })

  function toggle(emoji: string): void {
    const mine = message.value.reactions[emoji]?.includes(amendments.me()) ?? false
    amendments.react(message.value, emoji, !mine)
  }

  return { message, actions, toggle }
}

function copyLink({ room, seq }: MessageEvent): Promise<void> {
  return copied(new URL(`/chat/${encodeURIComponent(room)}/${seq}`, location.href).href, t('messages.link_copied'))
}

/** Where no clipboard is to be had, the text is shown to be copied by hand. */
async function copied(text: string, done: string): Promise<void> {
  toast((await copyText(text)) ? done : text)
}
