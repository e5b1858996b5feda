/** Tells whether an element is near the part of the page that is seen. */

/** So far beyond the edge things are made ready, in CSS pixels. */
const AHEAD_PX = 300;

export function onScreen(element: Element, seen: (visible: boolean) => void): { destroy: () => void } {
  const observer = new IntersectionObserver((entries) => seen(entries.at(-1)?.isIntersecting ?? false), {
    root: element.closest('[data-scroller]'),
    rootMargin: `${AHEAD_PX}px 0px`,
  });
  observer.observe(element);
  return { destroy: () => observer.disconnect() };
}
