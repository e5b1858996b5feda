import './styles/tokens.css';
import './styles/base.css';
import { mount } from 'svelte';
import App from './app/App.svelte';
import { router } from './app/router.svelte';

router.start();
mount(App, { target: document.getElementById('app') as HTMLElement });
