// @vitest-environment happy-dom
import { createApp, defineComponent, h, nextTick, ref } from 'vue'
import { expect, test } from 'vitest'
import ChoiceFields from '../src/ui/ChoiceFields.vue'
import PickList from '../src/ui/PickList.vue'

function mounted(render: () => ReturnType<typeof h>): HTMLElement {
  const place = document.createElement('div')
  document.body.append(place)
  createApp(defineComponent({ setup: () => render })).mount(place)
  return place
}

async function press(target: Element, key: string): Promise<void> {
  target.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }))
  await nextTick()
  await nextTick()
}

test('the arrows go round the results, and Enter picks', async () => {
  const picked: string[] = []
  const entries = ref(['ada', 'bob', 'eve'])
  const place = mounted(() =>
    h(PickList<string>, {
      modelValue: '', entries: entries.value, keyOf: (one: string) => one, label: 'find', placeholder: '', listLabel: 'found',
      onPick: (one: string) => picked.push(one),
    }, { default: ({ entry }: { entry: string }) => entry }),
  )
  const field = place.querySelector('input')!
  const chosen = () => place.querySelector('[aria-selected=true]')
  expect(field.getAttribute('aria-activedescendant')).toBe(chosen()!.id)
  await press(field, 'ArrowUp')
  expect(chosen()!.textContent).toBe('eve')
  await press(field, 'Enter')
  entries.value = ['bob']
  await nextTick()
  expect(chosen()!.textContent).toBe('bob')
  place.querySelector<HTMLElement>('[role=option]')!.click()
  expect(picked).toEqual(['eve', 'bob'])
  entries.value = []
  await nextTick()
  await press(field, 'Enter')
  expect([picked.length, field.hasAttribute('aria-activedescendant')]).toEqual([2, false])
})

test('Enter in the last choice makes another one, up to the most', async () => {
  const choices = ref(['tea', 'milk'])
  const place = mounted(() =>
    h(ChoiceFields, {
      modelValue: choices.value, most: 3, addLabel: 'add', label: (number: number) => `choice ${number}`, removeLabel: (number: number) => `remove ${number}`,
    }),
  )
  const fields = () => [...place.querySelectorAll<HTMLInputElement>('input')]
  expect(place.querySelectorAll('[aria-label^=remove]').length).toBe(0)
  await press(fields()[0]!, 'Enter')
  expect(document.activeElement).toBe(fields()[1])
  await press(fields()[1]!, 'Enter')
  expect(choices.value).toEqual(['tea', 'milk', ''])
  expect(document.activeElement).toBe(fields()[2])
  await press(fields()[2]!, 'Enter')
  expect(choices.value.length).toBe(3)
  place.querySelector<HTMLElement>('[aria-label="remove 2"]')!.click()
  await nextTick()
  expect(choices.value).toEqual(['tea', ''])
})
