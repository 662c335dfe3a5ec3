import './ui/base.css'
import { createPinia } from 'pinia'
import { createApp } from 'vue'
import { createRouter, createWebHistory } from 'vue-router'
import { features } from './features'
import { installFeatures } from './features/registry'
import AppShell from './shell/AppShell.vue'
import { servedLanguage, showLanguage } from './i18n'
import HomeView from './shell/HomeView.vue'
import RoomView from './rooms/RoomView.vue'
import { foldedSlug } from './rooms/slugs'

const router = createRouter({
  history: createWebHistory('/'),
  routes: [
    { path: '/', redirect: { name: 'home' } },
    { path: '/chat/', name: 'home', component: HomeView },
    {
      path: '/chat/:room/',
      name: 'room',
      component: RoomView,
      props: true,
      // A link to a message: the same page, opened there.
      children: [{ path: ':seq(\\d+)', name: 'message', component: { render: () => null } }],
    },
    { path: '/features/', name: 'features', component: () => import('./shell/FeaturesView.vue') },
    { path: '/:rest(.*)', redirect: { name: 'home' } },
  ],
})

// Addresses are typed and sent by people: the server's spelling replaces theirs.
router.beforeEach(({ name, params, hash, query }) => {
  const typed = String(params.room ?? '')
  const room = foldedSlug(typed)
  return room === typed ? true : { name: name!, params: { ...params, room }, hash, query, replace: true }
})

await showLanguage(servedLanguage())
installFeatures(features)
createApp(AppShell).use(createPinia()).use(router).mount('#app')
