import './ui/base.css'
import { createPinia } from 'pinia'
import { createApp } from 'vue'
import { createRouter, createWebHistory } from 'vue-router'
import AppShell from './shell/AppShell.vue'
import HomeView from './shell/HomeView.vue'
import RoomView from './rooms/RoomView.vue'

const router = createRouter({
  history: createWebHistory('/'),
  routes: [
    { path: '/', redirect: { name: 'home' } },
    { path: '/chat/', name: 'home', component: HomeView },
    { path: '/chat/:room/', name: 'room', component: RoomView, props: true },
    { path: '/:rest(.*)', redirect: { name: 'home' } },
  ],
})

createApp(AppShell).use(createPinia()).use(router).mount('#app')
