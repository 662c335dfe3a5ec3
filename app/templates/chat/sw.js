{% load django_vite %}importScripts('{% vite_asset_url "src/sw.ts" %}')
