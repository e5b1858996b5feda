/** Single-key shortcuts, silent while somebody types. */

/**
 * Listens for keys (as `KeyboardEvent.key`, letters in lower case). Returns the end of listening. `Escape`
 * also works in a text field, so that it can be left.
 */
export function onShortcut(handlers: Record<string, (event: KeyboardEvent) => void>): () => void {
  const listener = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const { target } = event;
    const typing =
      target instanceof HTMLElement &&
      (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
    if (typing && event.key !== 'Escape') return;
    const handler = handlers[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!handler) return;
    if (event.key !== 'Escape') event.preventDefault();
    handler(event);
  };
  addEventListener('keydown', listener);
  return () => removeEventListener('keydown', listener);
}

/** Leaves the field that is typed in; a search is ended, also where it is kept outside the field. */
export function leaveField(): void {
  const field = document.activeElement;
  if (field instanceof HTMLInputElement && field.type === 'search' && field.value !== '') {
    field.value = '';
    field.dispatchEvent(new Event('input', { bubbles: true }));
  }
  if (field instanceof HTMLElement) field.blur();
}
