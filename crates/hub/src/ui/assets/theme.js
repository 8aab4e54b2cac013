// Dark or light: as the system says, until somebody chooses.

import { forgetColours } from './sparkline.js';

const KEY = 'grafolean.theme';
const dark = matchMedia('(prefers-color-scheme: dark)');

/** Told after the colours have changed: what is drawn has to be drawn again. */
export const themeChanged = new EventTarget();

export function chosenTheme() {
  try {
    return localStorage.getItem(KEY) ?? 'auto';
  } catch {
    return 'auto';
  }
}

export function chooseTheme(choice) {
  try {
    if (choice === 'auto') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, choice);
  } catch { /* no storage: for this page only */ }
  applyTheme(choice);
}

export function applyTheme(choice = chosenTheme()) {
  const isDark = choice === 'dark' || (choice === 'auto' && dark.matches);
  document.documentElement.dataset.theme = isDark ? 'dark' : 'light';
  document.querySelector('meta[name=theme-color]')?.setAttribute('content', isDark ? '#14171c' : '#ffffff');
  forgetColours();
  themeChanged.dispatchEvent(new Event('change'));
}

dark.addEventListener('change', () => applyTheme());
